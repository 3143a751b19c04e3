"""Decides the two worker tiers."""

from math import ceil
from typing import Any

from components.args import PlacementArgs
from components.config.tiers import Decode, Tier
from components.config.vocabulary import Platform, Role
from components.plan import fabric
from components.plan.context import Context
from components.plan.worker_args import (
    DecodeTierArgs,
    ModelArgs,
    PrefillTierArgs,
    RolloutArgs,
    SidecarArgs,
    Strategy,
    WorkerArgs,
)
from components.releases.vllm import ATTENTION_FLAG, flag_of

MODEL_FOLDER = "/model-cache"
"""Where the weights are in the container (modelservice chart)."""

PULL_ALLOWANCE = 600
"""Seconds allowed for scheduling and pulling a 10-GB image, before the start-up budget begins to count."""

DELETE_ALLOWANCE = 600
"""Seconds for a tier's end besides its pods' grace: what the provider waits by default."""

LEAST_GRACE = 120
"""Seconds for the prompts that a prefill worker has queued (the longest takes 16) and for fetching their KV cache."""

LONGEST_GRACE = 3600
"""Seconds of a default grace at most: one stuck stream would hold a worker's GPUs for longer."""

SLOWEST_STREAM = 20
"""Tokens per second that a stream has at least under full load; the longest of 32000 tokens then takes 1600 s."""

DEBUG_CAPABILITIES = ("IPC_LOCK", "SYS_PTRACE")
"""Capabilities of the AMD guide's host-network stack."""

LOG_FILE = "UCX_LOG_FILE"
"""UCX's variable for where it prints."""

OTHER = {Role.PREFILL: Role.DECODE, Role.DECODE: Role.PREFILL}


def prefill(context: Context) -> PrefillTierArgs:
    """The prefill tier."""
    return PrefillTierArgs(worker=worker(context, Role.PREFILL))


def decode(context: Context) -> DecodeTierArgs:
    """The decode tier with its sidecar."""
    sidecar = context.settings.decode.sidecar
    return DecodeTierArgs(
        worker=worker(context, Role.DECODE),
        sidecar=SidecarArgs(
            image=context.image(sidecar.image, context.release.sidecar_image, "Always"),
            port=context.settings.ports.serving,
            vllm_port=context.vllm_port(Role.DECODE),
            connector_flag=context.release.connector_flag,
            log_level=sidecar.log_level,
            env=context.span_variables(f"{context.names.tier(Role.DECODE)}-sidecar"),
        ),
    )


def worker(context: Context, role: Role) -> WorkerArgs:
    """The vLLM workers of a tier."""
    settings, names, tier = context.settings, context.names, context.tier(role)
    host = settings.host_network
    return WorkerArgs(
        namespace=settings.namespace,
        name=names.tier(role),
        role=role,
        labels={**tier.labels, **names.worker_labels(role, settings.accelerator.value, settings.model.name)},
        selector=names.worker_selector(role),
        annotations=fabric.annotations(context, role),
        service_account=names.workers,
        replicas=context.replicas(role),
        image=context.image(tier.image, fabric.image(context)),
        model=_model(context),
        gpus=context.gpus(role),
        tensor_parallel=context.tensor_parallel(role),
        port=context.vllm_port(role),
        nixl_port=settings.ports.nixl,
        prefill_port=context.vllm_port(Role.PREFILL) if role is Role.DECODE else None,
        kv_transfer={
            "kv_connector": settings.kv_transfer.connector,
            "kv_role": "kv_both",
            **fabric.kv_transfer(context),
        },
        attention_backend=_attention_backend(context, tier),
        log_level=tier.log_level.upper() if tier.log_level else None,
        traces=context.traces(names.tier(role)),
        detailed_traces=settings.tracing is not None and settings.tracing.detailed,
        extra_args=tier.extra_args,
        env=fabric.env(context, role),
        ucx=ucx_variables(context, role),
        resources=resources(context, role),
        unlimited=["cpu"] if context.infrastructure.unlimited_cpu else [],
        shm_size=shm_size(context, role),
        host_network=host,
        capabilities=sorted({*(DEBUG_CAPABILITIES if host else ()), *fabric.capabilities(context, role)}),
        fs_group=_volume_group(context),
        run_as_user=_user(context),
        prelude=[each.value for each in context.infrastructure.prelude],
        host_paths=fabric.host_paths(context, role),
        placement=PlacementArgs(
            node_selector=fabric.node_selector(context, role),
            tolerations=fabric.tolerations(context, role),
            affinity=dict(tier.affinity),
            apart_from=names.worker_selector(OTHER[role]) if host else {},
            priority_class=tier.priority_class,
            runtime_class=tier.runtime_class,
            scheduler=tier.scheduler,
        ),
        rollout=rollout(context, role),
    )


def rollout(context: Context, role: Role) -> RolloutArgs:
    """Replacement and timing of a tier.

    Host ports and whole-node pods cannot overlap with their successors, so those tiers are recreated.
    """
    settings, grace = context.tier(role).rollout, termination_grace(context, role)
    one_pod = grace + settings.startup_budget
    return RolloutArgs(
        strategy=Strategy.RECREATE if context.settings.host_network else Strategy.ROLLING,
        max_unavailable=settings.max_unavailable,
        startup_budget=settings.startup_budget,
        termination_grace=grace,
        progress_deadline=PULL_ALLOWANCE + one_pod,
        create_timeout=settings.create_timeout or PULL_ALLOWANCE + settings.startup_budget,
        update_timeout=settings.update_timeout or PULL_ALLOWANCE + rounds(context, role) * one_pod,
        delete_timeout=DELETE_ALLOWANCE + grace,
    )


def rounds(context: Context, role: Role) -> int:
    """How many times in a row pods are replaced until a tier is new."""
    at_once = context.tier(role).rollout.max_unavailable
    return 1 if context.settings.host_network else ceil(context.replicas(role) / at_once)


def termination_grace(context: Context, role: Role) -> int:
    """Seconds that a pod may take to finish what it has begun. Only a busy one takes them."""
    own = context.tier(role).rollout.termination_grace
    if own is not None:
        return own
    return min(max(longest_answer(context) if role is Role.DECODE else 0, LEAST_GRACE), LONGEST_GRACE)


def longest_answer(context: Context) -> int:
    """Seconds of the longest stream: the model's whole context at the slowest rate."""
    return ceil(context.settings.model.max_model_len / SLOWEST_STREAM)


def ucx_variables(context: Context, role: Role) -> dict[str, str]:
    """UCX variables of a tier: each of its own over the stack's over the infrastructure's; else UCX chooses.

    `UCX_LOG_FILE` is `stderr` where UCX is asked to print. UCX prints to stdout by default (`UCX_LOG_FILE` in
    `ucx_info -cf`, UCX 1.19); the C library keeps stdout of a container in blocks of 4096 bytes, so that the last
    table is missing from the log. The tier's `env` may name another file.
    """
    stack, tier = context.settings.ucx, context.tier(role).ucx

    def pick(field: str) -> Any:
        own = getattr(tier, field)
        return getattr(stack, field) if own is None else own

    proto_info = pick("proto_info")
    prints = proto_info or pick("log_level")
    values = {
        "UCX_IB_GID_INDEX": pick("ib_gid_index"),
        "UCX_IB_TRAFFIC_CLASS": pick("ib_traffic_class"),
        LOG_FILE: "stderr" if prints and LOG_FILE not in fabric.env(context, role) else None,
        "UCX_LOG_LEVEL": pick("log_level"),
        "UCX_NET_DEVICES": ",".join(pick("net_devices") or []) or None,
        "UCX_PROTO_INFO": None if proto_info is None else "y" if proto_info else "n",
        "UCX_TLS": ",".join(pick("tls") or []) or None,
    }
    theirs = {name: each.value for name, each in context.infrastructure.ucx.items()}
    own = {name: str(value) for name, value in values.items() if value is not None}
    return dict(sorted({**theirs, **own}.items()))


def _model(context: Context) -> ModelArgs:
    model = context.settings.model
    weights_given = model.path is not None
    return ModelArgs(
        source=f"{MODEL_FOLDER}/{model.path}" if weights_given else model.name,
        served_name=model.served_name or model.name,
        max_model_len=model.max_model_len,
        block_size=model.block_size,
        storage=model.storage,
        claim=model.claim,
        read_only=weights_given,
        token_secret=context.token_secret,
    )


def _user(context: Context) -> int | None:
    own = context.settings.security.run_as_user
    return 0 if own is None and context.infrastructure.run_as_root else own


def _volume_group(context: Context) -> int | None:
    """A new volume belongs to root, and the images' user may not write to it."""
    security, model = context.settings.security, context.settings.model
    if "fs_group" in security.model_fields_set:
        return security.fs_group
    downloads = model.claim is not None and model.path is None
    openshift = context.provider.platform is Platform.OPENSHIFT
    return context.accelerator.image_user if downloads and not openshift and _user(context) != 0 else None


def _attention_backend(context: Context, tier: Tier | Decode) -> str | None:
    mixed = context.tensor_parallel(Role.PREFILL) != context.tensor_parallel(Role.DECODE)
    own = any(flag_of(argument) == ATTENTION_FLAG for argument in tier.extra_args)
    return context.accelerator.mixed_tp_attention if mixed and not own else None


def resources(context: Context, role: Role) -> dict[str, str]:
    """Requests of a worker, and its limits: CPU, memory, GPUs, RDMA devices."""
    tier, whole, device = context.tier(role), context.infrastructure.whole_node, context.device(role)
    sized = whole is not None and "cpu" not in tier.model_fields_set
    resources = {
        "cpu": whole.cpu if whole and sized else tier.cpu,
        "memory": tier.memory or (whole.memory if whole else context.accelerator.memory),
        context.accelerator.gpu_resource: str(context.gpus(role)),
    }
    if device:
        resources[device.resource] = str(device.amount(context.tensor_parallel(role)))
    return resources


def shm_size(context: Context, role: Role) -> str:
    """Size of a worker's /dev/shm (guides: 16Gi, host-network mode 64Gi)."""
    whole = context.infrastructure.whole_node
    usual = "64Gi" if context.settings.host_network else whole.shm_size if whole else "16Gi"
    return context.tier(role).shm_size or usual
