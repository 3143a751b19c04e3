"""The stack outputs and the URNs, which other programs use. A changed URN needs an alias."""

from pathlib import Path
from typing import Any

import pytest

from tests.program.expected import FOLDER
from tests.program.wire import AMD, default
from tests.recorder import Recorder, run_program

KEYS = {"gatewayUrl", "request", "streamingRequest", "model", "namespace", "context", "server", "generation"}
KEYS |= {"inferencePool", "gateway", "release", "hostNetwork", "workloads"}
"""Keys of the outputs: API. `tests/cases/outputs.yaml` has their values."""


def _urns(recorder: Recorder) -> list[str]:
    return sorted(urn.removeprefix("urn:pulumi:test::llm-d-pd::") for urn in recorder.declared)


def test_keys_of_the_stack_outputs() -> None:
    assert default().stack_outputs.keys() == KEYS


def test_sizes_are_said_where_the_gpu_is_named() -> None:
    sized = run_program({**AMD, "gpu": "MI300X"})
    assert [row["tier"] for row in sized.stack_outputs["sizing"]] == ["prefill", "decode"]
    assert any(each.startswith("info: sizing on MI300X, GiB per GPU") for each in sized.messages)


class WithAddress(Recorder):
    """A controller that gave the Gateway, or the Service of standalone, an address or a host name."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def RegisterResource(self, request: Any) -> Any:
        reply = super().RegisterResource(request)
        if request.type.endswith(":Gateway"):
            reply.object["status"] = {"addresses": [{"value": self.address}]}
        if request.name == "model-gateway-envoy-service":
            word = "ip" if self.address[0].isdigit() else "hostname"
            reply.object["status"] = {"loadBalancer": {"ingress": [{word: self.address}]}}
        return reply


def test_urns_are_what_they_were() -> None:
    """A rename deletes and makes anew: it must be meant, and carry an alias."""
    everything = run_program({**AMD, "gateway": {"accessLogging": True}, "security": {"level": "locked"}})
    assert _urns(everything) == Path(FOLDER / "urns.txt").read_text().splitlines()


@pytest.mark.parametrize(
    "serving",
    [
        {"release": "0.4"},
        {"hostNetwork": True},
        {"postfix": "two", "namespace": "elsewhere"},
        {"accelerator": "nvidia"},
        {"model": {"name": "openai/gpt-oss-120b"}},
    ],
)
def test_urns_do_not_depend_on_settings(serving: dict[str, Any]) -> None:
    assert _urns(run_program({**AMD, **serving})) == _urns(default())


def test_a_preview_needs_no_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    recorder = run_program(AMD, preview=True)
    assert _urns(recorder) == _urns(default())
    assert recorder.stack_outputs.keys() == KEYS
    assert any("no cluster" in message for message in recorder.messages)


def test_context_and_server_are_said_every_time() -> None:
    assert "info: target cluster: context gpus, server https://127.0.0.1:1" in default().messages
    other = run_program({**AMD, "cluster": {"context": "other"}})
    assert "info: target cluster: context other, server https://127.0.0.1:2" in other.messages
    assert other.stack_outputs["context"] == "other"
