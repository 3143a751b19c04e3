"""Real vLLM is that of one release: which release a stack gets with it, and which ones it cannot have."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sandbox.engine.stack_files import View
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.modelserver import choice, environment
from sandbox.progress import Progress

OWN = "prefill: {image: 'vllm:v0.17.1'}, decode: {image: 'vllm:v0.17.1'}"


def _assigned(folder: Path, settings: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The release in the settings that real vLLM asks for; its environment is there already."""
    monkeypatch.setattr(environment, "unfit", lambda: None)
    monkeypatch.setattr(environment, "provide", lambda _: SimpleNamespace(venv="venv", model="model"))
    monkeypatch.setattr(choice, "read", lambda _: choice.Vllm("venv", "model"))
    file = folder / "Pulumi.x.yaml"
    file.write_text(f"config: {{'llm-d-pd:serving': {{{settings}}}}}")
    view = cast("View", SimpleNamespace(tracked_file=file, stack_file=file))
    assignments, _ = choice.choose(Home(folder), view, Progress(), "vllm", None, isolated=True)
    return [each for each in assignments if "release" in each]


@pytest.mark.parametrize(
    ("settings", "assigned"),
    [("accelerator: amd", ['serving.release="0.6"']), ("release: '0.6'", []), (f"release: '0.9', {OWN}", [])],
)
def test_a_stack_that_names_no_release_gets_that_of_the_real_vllm(
    settings: str, assigned: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _assigned(tmp_path, settings, monkeypatch) == assigned


def test_another_release_with_its_images_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SandboxError, match=r'release "0\.9" has another vLLM than 0\.17\.1.*serving\.release="0\.6"'):
        _assigned(tmp_path, "release: '0.9', decode: {image: 'vllm:v0.17.1'}", monkeypatch)
