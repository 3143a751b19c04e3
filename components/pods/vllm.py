"""The vLLM container: command line, environment, ports, probes. A new vLLM flag goes here.

Source of the probes: the guides' values from 2025-10 on, the same for all accelerators.
"""

import json
from math import ceil

from components.manifests import Fields, given
from components.names import NIXL_PORT_NAME, TOKEN_KEY, VLLM_PORT_NAME
from components.plan.worker_args import ReferenceArgs, ResolvedTier
from components.plan.workers import MODEL_FOLDER
from components.pods import drain, volumes
from components.pods.containers import container_port, security, variable_of_pod, variable_of_reference
from components.releases.vllm import API_KEY_VARIABLE, CACHE_VARIABLE

SIDE_CHANNEL = "VLLM_NIXL_SIDE_CHANNEL_HOST"
KEEP_ALIVE = "120"
"""Seconds that vLLM keeps idle connections: longer than the sidecar's 90, to avoid resets (uvicorn: 5)."""


def arguments(worker: ResolvedTier) -> list[str]:
    """What follows `vllm serve`: the model, then one `--flag=value` each.

    Flags that only some workers have are last, so that a preview shows changed flags and no moved ones.
    """
    model = worker.model
    flags = [
        model.source,
        f"--port={worker.port}",
        f"--served-model-name={model.served_name}",
        *([f"--block-size={model.block_size}"] if model.block_size else []),
        f"--kv-transfer-config={json.dumps(worker.kv_transfer, separators=(',', ':'))}",
        "--disable-uvicorn-access-log",
        *([f"--max-model-len={model.max_model_len}"] if model.max_model_len else []),
    ]
    if worker.attention_backend:
        flags.append(f"--attention-backend={worker.attention_backend}")
    if worker.tensor_parallel > 1:
        flags.append(f"--tensor-parallel-size={worker.tensor_parallel}")
    if worker.traces:
        flags.append(f"--otlp-traces-endpoint={worker.traces.endpoint}")
    if worker.detailed_traces:
        flags.append("--collect-detailed-traces=all")
    return flags + worker.extra_args


def command(worker: ResolvedTier) -> list[str]:
    """`vllm serve`; after a prelude, `exec` in its shell, so that signals reach vLLM."""
    if not worker.prelude:
        return ["vllm", "serve"]
    return ["/bin/bash", "-ec", "\n".join([*worker.prelude, 'exec vllm serve "$@"']), "vllm"]


def environment(worker: ResolvedTier) -> list[Fields]:
    """Environment variables, sorted by name so that a preview shows only what changed."""
    plain = {
        **{name: f"{volumes.CACHE}/{folder}" for name, folder in worker.caches.items()},
        **worker.env,
        **worker.ucx,
        "DP_SIZE": "1",
        "DP_SIZE_LOCAL": "1",
        CACHE_VARIABLE: worker.env.get(CACHE_VARIABLE, MODEL_FOLDER),
        "TP_SIZE": str(worker.tensor_parallel),
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": KEEP_ALIVE,
        "VLLM_NIXL_SIDE_CHANNEL_PORT": str(worker.nixl_port),
    }
    if worker.traces:
        plain |= worker.traces.variables
    if worker.log_level:
        plain["VLLM_LOGGING_LEVEL"] = worker.log_level
    variables: dict[str, Fields] = {name: {"name": name, "value": value} for name, value in plain.items()}
    references = dict(worker.references)
    if worker.model.token_secret:
        references[TOKEN_KEY] = ReferenceArgs(secret=worker.model.token_secret, key=TOKEN_KEY)
    if worker.api_key:
        references[API_KEY_VARIABLE] = ReferenceArgs(secret=worker.api_key.name, key=worker.api_key.key)
    for name, each in references.items():
        variables[name] = variable_of_reference(name, each)
    # Peers fetch KV blocks from this address; unset it would be localhost.
    variables[SIDE_CHANNEL] = variable_of_pod(SIDE_CHANNEL, "status.podIP")
    return [variables[name] for name in sorted(variables)]


def container(worker: ResolvedTier) -> Fields:
    """The container of a worker."""
    keyed = worker.api_key is not None
    container = {
        "name": "vllm",
        "image": worker.image.name,
        "imagePullPolicy": worker.image.pull_policy,
        "command": command(worker),
        "args": arguments(worker),
        "env": environment(worker),
        "ports": [
            container_port(worker.port, VLLM_PORT_NAME, on_host=worker.host_network),
            container_port(worker.nixl_port, NIXL_PORT_NAME, on_host=worker.host_network),
        ],
        "resources": given({"limits": worker.limits, "requests": worker.resources}),
        "securityContext": security(worker),
        "startupProbe": startup(worker.rollout.startup_budget, keyed=keyed),
        "livenessProbe": liveness(),
        "readinessProbe": readiness(keyed=keyed),
        "lifecycle": drain.lifecycle(worker),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": volumes.mounts(worker),
    }
    return given(container)


STARTUP_PERIOD = 30
"""Seconds between start-up probes in the guides; 60 of them make the 1800-second budget."""

RESTART_GRACE = 30
"""Seconds of grace for a worker after a failed probe (Kubernetes' default). Such a worker serves no requests. The
pod's own grace is for a worker that serves."""


def _http(path: str) -> Fields:
    return {"path": path, "port": VLLM_PORT_NAME}


def _ready(*, keyed: bool) -> Fields:
    """Path that answers once the model is loaded. `keyed`: vLLM requires its API key for paths below /v1.

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
