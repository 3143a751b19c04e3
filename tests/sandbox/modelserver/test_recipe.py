"""Changes of packages by the installation."""

from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.modelserver.recipe import _read_progress_delay

API = '''"""As in nixl 0.10.1."""


def agent_config(nixl_conf, thread_config, nixlBind):
        return nixlBind.nixlAgentConfig(
            nixl_conf.enable_pthread,
            nixl_conf.enable_listen,
            nixl_conf.port,
            thread_config,
            1,
            0,
            100000,
            nixl_conf.capture_telemetry,
        )
'''


class Bindings:
    """Stand-in for NIXL's compiled module: returns `pthr_delay_us`."""

    @staticmethod
    def nixlAgentConfig(*arguments: object) -> object:
        return arguments[5]


class Config:
    enable_pthread, enable_listen, port, capture_telemetry = True, False, 0, False


def api(packages: Path, text: str) -> Path:
    file = packages / "nixl_cu12" / "_api.py"
    file.parent.mkdir()
    file.write_text(text)
    return file


@pytest.mark.parametrize(("variable", "delay"), [(None, 0), ("100000", 100000)])
def test_a_variable_sets_the_event_timeout_of_nixls_progress_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, delay: int
) -> None:
    monkeypatch.delenv("SANDBOX_NIXL_PROGRESS_DELAY", raising=False)
    if variable:
        monkeypatch.setenv("SANDBOX_NIXL_PROGRESS_DELAY", variable)
    changed = api(tmp_path, API)
    assert _read_progress_delay(tmp_path) == changed
    module: dict[str, object] = {}
    exec(changed.read_text(), module)
    assert module["agent_config"](Config, "none", Bindings) == delay  # type: ignore[operator]


def test_another_nixl_is_refused(tmp_path: Path) -> None:
    file = api(tmp_path, API.replace("100000", "50000"))
    with pytest.raises(SandboxError, match=r"nixl 0\.10\.1"):
        _read_progress_delay(tmp_path)
    assert "SANDBOX" not in file.read_text()
