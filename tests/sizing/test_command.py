"""`python -m sizing`: what it prints, writes and downloads."""

import json
import urllib.error
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.reading import settings_of
from sizing import __main__ as command
from sizing import stack_file

WRITTEN: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("written.yaml").read_text())
LLAMA = "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository and a Hugging Face cache of its own."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(command, "ROOT", tmp_path)
    return tmp_path


def test_the_shipped_layout_is_recommended_for_its_load(capsys: pytest.CaptureFixture[str]) -> None:
    words = [LLAMA, "--gpu", "H200", "--requests-per-second", "8", "--ttft", "2000", "--itl", "40"]
    assert command.main(words) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"{LLAMA}: 70.6 B parameters, 80 full layers, weights compressed-tensors"
    assert shown[1].endswith("; the KV cache of a token takes 320.0 KiB in all")
    rows = [line for line in shown if " x TP" in line and " + " in line and "layout" not in line]
    assert len(rows) == 4
    assert rows[0].split()[:8] == ["4", "x", "TP1", "+", "1", "x", "TP4", "8"]
    page = (Path(__file__).parents[2] / "docs/sizing.md").read_text()
    assert [row for row in rows if row not in page] == []


def test_every_product_is_shown_where_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["deepseek-ai/DeepSeek-R1", "--gpus", "16", "--concurrency", "32"]) == 0
    shown = capsys.readouterr().out
    assert "L40S: 44.4 GiB" in shown
    assert "no two workers of up to 8 GPUs hold the model" in shown
    assert "1 x TP8 + 1 x TP8" in shown


def test_no_layout_that_the_release_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    """vLLM of release 0.4 fetches from no prefill worker with more GPUs."""
    words = [LLAMA, "--gpu", "H200", "--gpus", "4", "--concurrency", "1", "--ttft", "150", "--input-tokens", "8000"]
    assert command.main(words) == 0
    assert "1 x TP2 + 2 x TP1" in capsys.readouterr().out
    assert command.main([*words, "--release", "0.4"]) == 0
    assert "TP2 + 2 x TP1" not in capsys.readouterr().out


@pytest.mark.parametrize("words", [["org/model"], ["deepseek-ai/DeepSeek-R1", "--gpu", "L40S"]])
def test_what_cannot_be_sized_is_status_1(words: list[str]) -> None:
    assert command.main(words) == 1


def test_the_layout_is_written_into_a_stack_file(alone: Path) -> None:
    stack = alone / "Pulumi.big.yaml"
    stack.write_text(WRITTEN["before"])
    load = ["--requests-per-second", "5", "--ttft", "2000", "--itl", "40", "--prefix-hit-rate", "0.1"]
    measured = ["--measured-prefill", "6000", "--measured-decode", "5000", "--max-model-len", "16000"]
    assert command.main([LLAMA, "--gpu", "H200", *load, *measured, "--write", "big"]) == 0
    text = stack.read_text()
    assert text.startswith("# Our own stack.\n") and "  # quantized\n" in text
    assert yaml.safe_load(text) == WRITTEN["after"]
    assert settings_of(WRITTEN["after"]["config"]["llm-d-pd:serving"])[1] == []
    assert command.main([LLAMA, "--write", "big"]) == 2, "of which product?"


def test_a_new_stack_file_is_complete(alone: Path) -> None:
    assert command.main([LLAMA, "--gpu", "H200", "--requests-per-second", "5", "--write", "new"]) == 0
    serving = yaml.safe_load((alone / "Pulumi.new.yaml").read_text())["config"]["llm-d-pd:serving"]
    assert (serving["accelerator"], serving["model"]) == ("nvidia", {"name": LLAMA})
    assert settings_of(serving)[1] == []


@pytest.mark.parametrize(("text", "path", "after"), yaml.safe_load(Path(__file__).with_name("put.yaml").read_text()))
def test_a_value_is_put_where_it_belongs(text: str, path: tuple[str, ...], after: str) -> None:
    assert stack_file.put(text, path, 2) == after


def test_a_picture_is_drawn_where_matplotlib_is(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [LLAMA, "--gpu", "H200", "--gpus", "8", "--plot", str(alone / "a.svg")]
    if find_spec("matplotlib") is None:
        assert command.main(words) == 2
        assert "pip install matplotlib" in capsys.readouterr().err
    else:
        assert command.main(words) == 0
        assert "4 x TP1 + 1 x TP4" in (alone / "a.svg").read_text()


def test_a_fetched_file_is_the_shape(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2, "hidden_size": 512}
    more = {"intermediate_size": 1024, "num_attention_heads": 8, "vocab_size": 32000}

    def answer(address: str) -> bytes:
        if address.endswith("hf_quant_config.json"):
            raise urllib.error.HTTPError(address, 404, "Not Found", None, None)  # type: ignore[arg-type]
        assert address == "https://huggingface.co/org/model/resolve/main/config.json"
        return json.dumps({**config, **more}).encode()

    monkeypatch.setattr(command, "_downloaded", answer)
    assert command.main(["org/model", "--fetch"]) == 0
    assert command.main(["org/model", "--gpu", "L40S", "--shape", "shapes/org--model/config.json"]) == 0


def test_a_failed_download_is_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(address: str) -> Any:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(command, "_downloaded", answer)
    assert command.main(["org/model", "--fetch"]) == 1
