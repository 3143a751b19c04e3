"""The vLLM container: command line, environment, ports. A new vLLM flag goes here."""

import json

from components.manifests import Fields, given
from components.names import NIXL_PORT_NAME, TOKEN_KEY, VLLM_PORT_NAME
from components.plan.worker_args import ReferenceArgs, ResolvedTier
from components.plan.workers import MODEL_FOLDER
from components.pods import drain, probes, volumes
from components.pods.environment import variable_of_pod, variable_of_reference
from components.pods.ports import container_port
from components.pods.resources import security
from components.releases.vllm import API_KEY_VARIABLE, CACHE_VARIABLE

SIDE_CHANNEL = "VLLM_NIXL_SIDE_CHANNEL_HOST"
KEEP_ALIVE = "120"
"""Seconds that vLLM keeps idle connections: longer than the sidecar's 90, or it meets resets (uvicorn: 5)."""


def arguments(worker: ResolvedTier) -> list[str]:
    """What follows `vllm serve`: the model, then one `--flag=value` each.

    Those that not every worker has are last, so that a preview shows what changed and not what moved.
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
    """`vllm serve`, in a shell first where only a script of the node knows the environment; signals reach vLLM."""
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
        "startupProbe": probes.startup(worker.rollout.startup_budget, keyed=keyed),
        "livenessProbe": probes.liveness(),
        "readinessProbe": probes.readiness(keyed=keyed),
        "lifecycle": drain.lifecycle(worker),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": volumes.mounts(worker),
    }
    return given(container)
