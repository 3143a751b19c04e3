"""Probes of the vLLM container. Source: the guides' values from 2025-10 on, the same for all accelerators."""

from math import ceil

from components.manifests import Fields
from components.names import VLLM_PORT_NAME

STARTUP_PERIOD = 30
"""Seconds between start-up probes in the guides; 60 of them make the 1800-second budget."""


RESTART_GRACE = 30
"""Seconds that a worker gets which a probe found dead or stuck (Kubernetes' default): nothing to wait for there, while
the pod's own grace is that of a worker with requests."""


def _http(path: str) -> Fields:
    return {"path": path, "port": VLLM_PORT_NAME}


def _ready(*, keyed: bool) -> Fields:
    """What answers once the model is loaded. `keyed`: vLLM wants its API key for all that is below /v1.

    vLLM opens its port after the engine has loaded the model, so /health answers no earlier than /v1/models
    (vllm/entrypoints/openai/api_server.py, vLLM 0.11.2 and 0.17.1).
    """
    return _http("/health" if keyed else "/v1/models")


def startup(budget: int, *, keyed: bool = False) -> Fields:
    """`budget` seconds for loading the model; `keyed`: vLLM has an API key."""
    period = min(STARTUP_PERIOD, budget)
    return {
        "httpGet": _ready(keyed=keyed),
        "initialDelaySeconds": min(15, budget),
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": ceil(budget / period),
        "terminationGracePeriodSeconds": RESTART_GRACE,
    }


def liveness() -> Fields:
    """Restart a worker after its engine died."""
    return {
        "httpGet": _http("/health"),
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
        "terminationGracePeriodSeconds": RESTART_GRACE,
    }


def readiness(*, keyed: bool = False) -> Fields:
    """Keep requests from a worker that cannot serve; asks vLLM itself, not the sidecar before it."""
    return {"httpGet": _ready(keyed=keyed), "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 3}
