"""Probes of the vLLM container. Source: the guides' values from 2025-10 on, the same for all accelerators."""

from math import ceil

import pulumi_kubernetes as k8s

from components.names import VLLM_PORT_NAME

STARTUP_PERIOD = 30
"""Seconds between start-up probes in the guides; 60 of them make the 1800-second budget."""


RESTART_GRACE = 30
"""Seconds that a worker gets which a probe found dead or stuck (Kubernetes' default): nothing to wait for there, while
the pod's own grace is that of a worker with requests."""


def _http(path: str) -> k8s.core.v1.HTTPGetActionArgs:
    return k8s.core.v1.HTTPGetActionArgs(path=path, port=VLLM_PORT_NAME)


def _ready(*, keyed: bool) -> k8s.core.v1.HTTPGetActionArgs:
    """What answers once the model is loaded. `keyed`: vLLM wants its API key for all that is below /v1.

    vLLM opens its port after the engine has loaded the model, so /health answers no earlier than /v1/models
    (vllm/entrypoints/openai/api_server.py, vLLM 0.11.2 and 0.17.1).
    """
    return _http("/health" if keyed else "/v1/models")


def startup(budget: int, *, keyed: bool = False) -> k8s.core.v1.ProbeArgs:
    """`budget` seconds for loading the model; `keyed`: vLLM has an API key."""
    period = min(STARTUP_PERIOD, budget)
    return k8s.core.v1.ProbeArgs(
        http_get=_ready(keyed=keyed),
        initial_delay_seconds=min(15, budget),
        period_seconds=period,
        timeout_seconds=5,
        failure_threshold=ceil(budget / period),
        termination_grace_period_seconds=RESTART_GRACE,
    )


def liveness() -> k8s.core.v1.ProbeArgs:
    """Restart a worker after its engine died."""
    return k8s.core.v1.ProbeArgs(
        http_get=_http("/health"),
        period_seconds=10,
        timeout_seconds=5,
        failure_threshold=3,
        termination_grace_period_seconds=RESTART_GRACE,
    )


def readiness(*, keyed: bool = False) -> k8s.core.v1.ProbeArgs:
    """Keep requests from a worker that cannot serve; asks vLLM itself, not the sidecar before it."""
    return k8s.core.v1.ProbeArgs(http_get=_ready(keyed=keyed), period_seconds=5, timeout_seconds=2, failure_threshold=3)
