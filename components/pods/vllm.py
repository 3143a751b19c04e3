"""The vLLM container: command line, environment, ports. A new vLLM flag goes here."""

import json

import pulumi_kubernetes as k8s

from components.names import NIXL_PORT_NAME, TOKEN_KEY, VLLM_PORT_NAME
from components.plan.worker_args import ReferenceArgs, ResolvedTier
from components.plan.workers import MODEL_FOLDER
from components.pods import drain, probes, volumes
from components.pods.ports import container_port
from components.pods.resources import security
from components.releases.vllm import API_KEY_VARIABLE, CACHE_VARIABLE

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


def environment(worker: ResolvedTier) -> list[k8s.core.v1.EnvVarArgs]:
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
    variables = {name: k8s.core.v1.EnvVarArgs(name=name, value=value) for name, value in plain.items()}
    references = dict(worker.references)
    if worker.model.token_secret:
        references[TOKEN_KEY] = ReferenceArgs(secret=worker.model.token_secret, key=TOKEN_KEY)
    if worker.api_key:
        references[API_KEY_VARIABLE] = ReferenceArgs(secret=worker.api_key.name, key=worker.api_key.key)
    for name, each in references.items():
        variables[name] = k8s.core.v1.EnvVarArgs(name=name, value_from=_elsewhere(each))
    # Peers fetch KV blocks from this address; unset it would be localhost.
    variables["VLLM_NIXL_SIDE_CHANNEL_HOST"] = k8s.core.v1.EnvVarArgs(
        name="VLLM_NIXL_SIDE_CHANNEL_HOST",
        value_from=k8s.core.v1.EnvVarSourceArgs(
            field_ref=k8s.core.v1.ObjectFieldSelectorArgs(field_path="status.podIP")
        ),
    )
    return [variables[name] for name in sorted(variables)]


def _elsewhere(value: ReferenceArgs) -> k8s.core.v1.EnvVarSourceArgs:
    optional = True if value.optional else None
    if value.secret:
        selector = k8s.core.v1.SecretKeySelectorArgs(name=value.secret, key=value.key, optional=optional)
        return k8s.core.v1.EnvVarSourceArgs(secret_key_ref=selector)
    return k8s.core.v1.EnvVarSourceArgs(
        config_map_key_ref=k8s.core.v1.ConfigMapKeySelectorArgs(name=value.config_map, key=value.key, optional=optional)
    )


def container(worker: ResolvedTier) -> k8s.core.v1.ContainerArgs:
    """The container of a worker."""
    return k8s.core.v1.ContainerArgs(
        name="vllm",
        image=worker.image.name,
        image_pull_policy=worker.image.pull_policy,
        command=command(worker),
        args=arguments(worker),
        env=environment(worker),
        ports=[
            container_port(worker.port, VLLM_PORT_NAME, on_host=worker.host_network),
            container_port(worker.nixl_port, NIXL_PORT_NAME, on_host=worker.host_network),
        ],
        resources=k8s.core.v1.ResourceRequirementsArgs(limits=worker.limits, requests=worker.resources),
        security_context=security(worker),
        startup_probe=probes.startup(worker.rollout.startup_budget, keyed=worker.api_key is not None),
        liveness_probe=probes.liveness(),
        readiness_probe=probes.readiness(keyed=worker.api_key is not None),
        lifecycle=drain.lifecycle(worker),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=volumes.mounts(worker),
    )
