"""The stack outputs and the URNs, which other programs use. A changed URN needs an alias."""

from pathlib import Path
from typing import Any

import pytest

from tests.program.expected import FOLDER
from tests.program.wire import AMD, default
from tests.recorder import Recorder, run_program

TYPES: dict[str, Any] = {
    "gatewayUrl": str,
    "request": str,
    "streamingRequest": str,
    "model": str,
    "namespace": str,
    "context": str,
    "server": str,
    "generation": str,
    "inferencePool": str,
    "gateway": {"provider": str, "name": str, "service": str},
    "release": str,
    "hostNetwork": bool,
    "workloads": {
        role: {"name": str, "replicas": int, "gpus": int, "tensorParallel": int, "gpuResource": str, "rdma": bool}
        for role in ("prefill", "decode")
    },
}
"""Keys and types of the outputs: API."""


def _types(value: Any) -> Any:
    return {key: _types(inner) for key, inner in value.items()} if isinstance(value, dict) else type(value)


def _urns(recorder: Recorder) -> list[str]:
    return sorted(urn.removeprefix("urn:pulumi:test::llm-d-pd::") for urn in recorder.declared)


def test_keys_and_types_of_the_stack_outputs() -> None:
    assert _types(default().stack_outputs) == TYPES


def test_values_of_the_stack_outputs() -> None:
    outputs = default().stack_outputs
    assert outputs["model"] == "amd/Llama-3.3-70B-Instruct-FP8-KV"
    assert (outputs["namespace"], outputs["inferencePool"], outputs["release"]) == ("llm-d-pd", "gaie-pd", "0.9")
    assert outputs["hostNetwork"] is False
    assert not {"sizing", "load"} & outputs.keys()
    sized = run_program({**AMD, "gpu": "MI300X", "load": {"inputTokens": 400, "outputTokens": 50, "itl": 40}})
    assert [row["tier"] for row in sized.stack_outputs["sizing"]] == ["prefill", "decode"]
    assert sized.stack_outputs["load"] == {"inputTokens": 400, "outputTokens": 50, "itl": 40}
    assert any(each.startswith("info: sizing on MI300X, GiB per GPU") for each in sized.messages)
    assert run_program({**AMD, "hostNetwork": True}).stack_outputs["hostNetwork"] is True
    assert (outputs["context"], outputs["server"]) == ("gpus", "https://127.0.0.1:1")
    assert outputs["workloads"] == {
        "prefill": {
            "name": "ms-pd-llm-d-modelservice-prefill",
            "replicas": 4,
            "gpus": 4,
            "tensorParallel": 1,
            "gpuResource": "amd.com/gpu",
            "rdma": True,
        },
        "decode": {
            "name": "ms-pd-llm-d-modelservice-decode",
            "replicas": 1,
            "gpus": 4,
            "tensorParallel": 4,
            "gpuResource": "amd.com/gpu",
            "rdma": True,
        },
    }
    assert outputs["gateway"] == {
        "provider": "istio",
        "name": "infra-pd-inference-gateway",
        "service": "infra-pd-inference-gateway-istio",
    }
    assert outputs["gatewayUrl"] == (
        "kubectl --namespace llm-d-pd port-forward service/infra-pd-inference-gateway-istio 8000:80"
    )
    assert outputs["request"].startswith("curl -sS http://localhost:8000/v1/completions ")
    assert '"model": "amd/Llama-3.3-70B-Instruct-FP8-KV"' in outputs["request"]


@pytest.mark.parametrize(
    ("changes", "prefill", "decode"),
    [
        ({"rdma": None}, False, False),
        ({"decode": {"rdma": None}}, True, False),
        ({"infrastructure": "oci-amd"}, True, True),
    ],
    ids=str,
)
def test_outputs_say_whether_rdma_reaches_a_tier(changes: dict[str, Any], prefill: bool, decode: bool) -> None:
    workloads = run_program({**AMD, **changes}).stack_outputs["workloads"]
    assert (workloads["prefill"]["rdma"], workloads["decode"]["rdma"]) == (prefill, decode)


class WithAddress(Recorder):
    """A controller that gave the Gateway an address."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def RegisterResource(self, request: Any) -> Any:
        reply = super().RegisterResource(request)
        if request.type.endswith(":Gateway"):
            reply.object["status"] = {"addresses": [{"value": self.address}]}
        return reply


def _outputs(service: str, address: str) -> dict[str, Any]:
    serving = {**AMD, "gateway": {"serviceType": service}}
    return run_program(serving, recorder=WithAddress(address)).stack_outputs


@pytest.mark.parametrize("service", ["ClusterIP", "NodePort"])
def test_an_address_inside_the_cluster_is_none_for_people(service: str) -> None:
    outputs = _outputs(service, "infra-pd-inference-gateway-istio.llm-d-pd.svc.cluster.local")
    assert outputs["gatewayUrl"].startswith("kubectl --namespace llm-d-pd port-forward ")
    assert outputs["request"].startswith("curl -sS http://localhost:8000/v1/completions ")


def test_an_address_of_the_newer_protocol_is_written_as_urls_want_it() -> None:
    assert _outputs("LoadBalancer", "2001:db8::7")["gatewayUrl"] == "http://[2001:db8::7]"


def test_the_gateways_address_is_in_url_and_request_once_it_has_one() -> None:
    outputs = _outputs("LoadBalancer", "192.0.2.7")
    assert outputs["gatewayUrl"] == "http://192.0.2.7"
    assert outputs["request"].startswith("curl -sS http://192.0.2.7/v1/completions ")
    assert outputs["streamingRequest"].startswith("curl -sSN http://192.0.2.7/v1/completions ")


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
    assert _types(recorder.stack_outputs) == TYPES
    assert any("no cluster" in message for message in recorder.messages)


def test_context_and_server_are_said_every_time() -> None:
    assert "info: target cluster: context gpus, server https://127.0.0.1:1" in default().messages
    other = run_program({**AMD, "cluster": {"context": "other"}})
    assert "info: target cluster: context other, server https://127.0.0.1:2" in other.messages
    assert other.stack_outputs["context"] == "other"
