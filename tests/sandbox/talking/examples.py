"""Examples of pods and of requests in access logs."""

import json
from datetime import UTC, datetime
from typing import Any

from sandbox.gateways.accesslog import Access
from sandbox.talking.pods import Pod

MOMENT = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)


def pod(name: str, address: str = "", *, ports: dict[str, int] | None = None, **labels: str) -> Pod:
    """A Ready pod; `labels` are role="decode", picker="gaie-pd-epp" or gateway="infra"."""
    known = {
        "role": "llm-d.ai/role",
        "picker": "inferencepool",
        "gateway": "gateway.networking.k8s.io/gateway-name",
    }
    listening = [{"name": key, "containerPort": number} for key, number in (ports or {}).items()]
    content: dict[str, Any] = {
        "metadata": {
            "name": name,
            "namespace": "llm-d-pd",
            "labels": {known[key]: value for key, value in labels.items()},
        },
        "spec": {
            "nodeName": "amd-0",
            "containers": [{"name": "vllm", "ports": listening, "resources": {"limits": {"amd.com/gpu": "4"}}}],
        },
        "status": {
            "phase": "Running",
            "podIP": address,
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "vllm", "restartCount": 2}],
        },
    }
    return Pod(content)


def on_host(one: Pod) -> Pod:
    """The same pod on its node's network."""
    content = json.loads(json.dumps(one.object))
    content["spec"]["hostNetwork"] = True
    return Pod(content)


def access(prefill: str | None, decode: str | None, upstream: str | None = None) -> Access:
    """A request that took 12 ms."""
    return Access(
        start=MOMENT,
        id="1",
        path="/v1/completions",
        status=200,
        decode=decode,
        prefill=prefill,
        upstream=upstream or decode,
        picked_us=1300,
        first_byte_us=5000,
        total_us=12000,
    )


GATEWAY = pod("infra-pd-inference-gateway-istio-1", "10.244.0.1", gateway="infra-pd-inference-gateway")
PICKER = pod("gaie-pd-epp-1", "10.244.0.2", picker="gaie-pd-epp")
PREFILL = pod("ms-pd-prefill-1", "10.244.0.3", ports={"vllm": 8000}, role="prefill")
SECOND = pod("ms-pd-prefill-2", "10.244.0.4", ports={"vllm": 8000}, role="prefill")
DECODE = pod("ms-pd-decode-1", "10.244.0.5", ports={"vllm": 8200, "": 8000}, role="decode")
ALL = [GATEWAY, PICKER, PREFILL, SECOND, DECODE]
