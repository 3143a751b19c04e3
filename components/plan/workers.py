"""Resolves the two worker tiers: every fact about them is decided here, once."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from components.accelerators import Image
from components.args import PlacementArgs, SecretKeyArgs
from components.config.tiers import Tier
from components.config.vocabulary import LockedMemory, PodSecurity, Role
from components.plan import fabric, locked_memory
from components.plan import worker_args as args
from components.plan.context import Context
from components.quantity import amount
from components.releases.vllm import CACHE_VARIABLE, own_attention_backend

MODEL_FOLDER = "/model-cache"
"""Where the weights are in the container (modelservice chart)."""

PULL_ALLOWANCE = 600
"""Seconds allowed for scheduling and pulling a 10-GB image, before the start-up budget begins to count."""

DELETE_ALLOWANCE = 600
"""Seconds for the deletion of a tier beyond its pods' grace: the default of Pulumi's Kubernetes provider."""

LEAST_GRACE = 120
"""Seconds for the prompts in the queue of a prefill worker (the longest takes 16 s) and for fetching their KV cache."""

LONGEST_GRACE = 3600
"""Longest default grace, in seconds: without this limit, one stuck stream would hold a worker's GPUs for longer."""

SLOWEST_STREAM = 20
"""Tokens per second that a stream has at least under full load; the longest of 32000 tokens then takes 1600 s."""

SHM_SIZE = "16Gi"
"""Size of a worker's /dev/shm, unless a setting, the mode or the infrastructure says otherwise (guides)."""

POD_IP = "POD_IP"
"""The sidecar's variable for its pod's address, which prefill workers write KV blocks to."""

DISK = "ephemeral-storage"
"""Resource of a node's disk, which an emptyDir takes."""

LOG_FILE = "UCX_LOG_FILE"
"""UCX's variable for the file of its messages."""

OTHER = {Role.PREFILL: Role.DECODE, Role.DECODE: Role.PREFILL}

Tiers = Mapping[Role, args.ResolvedTier]
"""Both tiers by role."""


def tiers(context: Context) -> Tiers:
    """Return both tiers, also for settings that contradict each other, because the checks need the tiers."""
    return {role: _tier(context, role) for role in Role}


def sidecar(context: Context) -> args.SidecarArgs:
    """The routing sidecar of the decode tier."""
    given, release = context.settings.decode.sidecar, context.release
    flags = {
        release.server_port_flag: str(context.vllm_port(Role.DECODE)),
        release.connector_flag: "nixlv2",
        "--zap-encoder": "json",
        "--zap-log-level": given.log_level.value,
        "--secure-proxy": "false",  # the default is a TLS server, and the gateway speaks plain HTTP
    }
    if release.traces and not release.traces_unasked:
        flags["--tracing"] = "true" if context.settings.tracing else "false"
    if given.prefill_retries is not None:
        flags["--prefill-max-retries"] = str(given.prefill_retries)
    if given.prefill_retry_backoff is not None:
        flags["--prefill-retry-backoff"] = f"{given.prefill_retry_backoff}ms"
    moriio = fabric.moriio(context, fabric.kv_transfer(context, Role.DECODE)["kv_connector"])
    if moriio:
        flags["--moriio-write-mode"] = "true"
        flags["--moriio-tp-size"] = str(_tensor_parallel(context, Role.DECODE))
        flags["--moriio-local-pod-ip"] = f"$({POD_IP})"
    return args.SidecarArgs(
        own_address=POD_IP if moriio else None,
        image=context.image(given.image, release.sidecar_image, "Always"),
        port=context.settings.ports.serving,
        flags=flags,
        env=context.span_variables(f"{context.names.tier(Role.DECODE)}-sidecar"),
        resources={"cpu": given.cpu, "memory": given.memory},
    )


def _tier(context: Context, role: Role) -> args.ResolvedTier:
    settings, names, tier, mode = context.settings, context.names, context.tier(role), context.mode
    used, image = _tensor_parallel(context, role), fabric.image(context)
    device = fabric.device(context, role, used)
    image_user = None if tier.image else image.user
    user = _user(context, role, image_user)
    taken = settings.gpus_per_node if mode.whole_node or context.infrastructure.whole_node else used
    said = 1 if _whole_node(context, role, "replicas") else tier.replicas
    replicas = type(tier).model_fields["replicas"].default if said is None else said
    requests, key = _requests(context, tier, taken, device), settings.security.api_key
    return args.ResolvedTier(
        namespace=settings.namespace,
        name=names.tier(role),
        role=role,
        labels={**tier.labels, **names.worker_labels(role, settings.accelerator.value, settings.model.name)},
        selector=names.worker_selector(role),
        annotations={**fabric.annotations(context, device), **tier.annotations},
        service_account=names.workers,
        replicas=replicas,
        autoscaled=said is None,
        image=context.image(tier.image, image.name),
        model=_model(context),
        gpus=taken,
        gpu_resource=context.gpu_resource,
        tensor_parallel=used,
        port=context.vllm_port(role),
        nixl_port=settings.ports.nixl,
        prefill_port=context.vllm_port(Role.PREFILL) if role is Role.DECODE else None,
        kv_transfer=fabric.kv_transfer(context, role),
        attention_backend=_attention_backend(context, tier),
        log_level=tier.log_level.upper() if tier.log_level else None,
        traces=context.traces(names.tier(role)),
        detailed_traces=settings.tracing is not None and settings.tracing.detailed,
        api_key=SecretKeyArgs(name=key.secret, key=key.key) if key else None,
        extra_args=tier.extra_args,
        env=fabric.env(context, role),
        references={name: args.ReferenceArgs(**each.model_dump()) for name, each in tier.references.items()},
        ucx=_ucx_variables(context, role),
        resources=requests,
        limits=_limits(context, tier, requests),
        further=list(tier.resources),
        shm_size=_shm_size(context, tier),
        device=device,
        rdma=fabric.rdma(context, device),
        host_network=mode.host_network,
        privileged=mode.privileged,
        capabilities=locked_memory.capabilities(context, role, image_user, device=device is not None),
        fs_group=_volume_group(context, image, user),
        run_as_user=user,
        user=image_user if user is None else user,
        confinement=_confinement(context, tier, user),
        caches=dict(context.accelerator.caches),
        prelude=[each.value for each in context.infrastructure.prelude],
        host_paths=fabric.host_paths(context, role),
        volumes=[args.VolumeArgs(**each.model_dump()) for each in tier.volumes],
        placement=PlacementArgs(
            node_selector=fabric.node_selector(context, role),
            tolerations=fabric.tolerations(context, role),
            affinity=dict(tier.affinity),
            apart_from=names.worker_selector(OTHER[role]) if mode.apart else {},
            priority_class=tier.priority_class,
            runtime_class=tier.runtime_class,
            scheduler=tier.scheduler,
        ),
        rollout=_rollout(context, role, replicas),
    )


def _whole_node(context: Context, role: Role, field: str) -> bool:
    """Whether this field follows from the fact that a worker has a whole node, and not from the tier's settings."""
    said = field in context.tier(role).model_fields_set
    return context.mode.whole_node or (context.infrastructure.whole_node is not None and not said)


def _tensor_parallel(context: Context, role: Role) -> int:
    whole = _whole_node(context, role, "tensor_parallel")
    return context.settings.gpus_per_node if whole else context.tier(role).tensor_parallel


def _rollout(context: Context, role: Role, replicas: int) -> args.RolloutArgs:
    settings, grace = context.tier(role).rollout, _termination_grace(context, role)
    one_pod = grace + settings.startup_budget
    at_once = max(settings.max_unavailable + settings.max_surge, 1)
    rounds = 1 if context.mode.strategy is args.Strategy.RECREATE else ceil(replicas / at_once)
    return args.RolloutArgs(
        strategy=context.mode.strategy,
        max_unavailable=settings.max_unavailable,
        max_surge=settings.max_surge,
        rounds=rounds,
        startup_budget=settings.startup_budget,
        termination_grace=grace,
        progress_deadline=PULL_ALLOWANCE + one_pod,
        create_timeout=settings.create_timeout or PULL_ALLOWANCE + settings.startup_budget,
        update_timeout=settings.update_timeout or PULL_ALLOWANCE + rounds * one_pod,
        delete_timeout=DELETE_ALLOWANCE + grace,
    )


def _termination_grace(context: Context, role: Role) -> int:
    """Seconds that a pod may take to finish its requests. An idle pod ends at once."""
    own = context.tier(role).rollout.termination_grace
    if own is not None:
        return own
    return min(max(longest_answer(context) if role is Role.DECODE else 0, LEAST_GRACE), LONGEST_GRACE)


def longest_answer(context: Context) -> int:
    """Seconds of the longest stream: the model's whole context at the slowest rate; unknown: `LONGEST_GRACE`."""
    tokens = context.settings.model.max_model_len
    return LONGEST_GRACE if tokens is None else ceil(tokens / SLOWEST_STREAM)


def _ucx_variables(context: Context, role: Role) -> dict[str, str]:
    """UCX variables of a tier. The tier's value wins, then the stack's, then the infrastructure's; else UCX chooses.

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
    named = {*fabric.env(context, role), *context.tier(role).references}
    values = {
        "UCX_IB_GID_INDEX": pick("ib_gid_index"),
        "UCX_IB_TRAFFIC_CLASS": pick("ib_traffic_class"),
        LOG_FILE: "stderr" if prints and LOG_FILE not in named else None,
        "UCX_LOG_LEVEL": pick("log_level"),
        "UCX_NET_DEVICES": ",".join(pick("net_devices") or []) or None,
        "UCX_PROTO_INFO": None if proto_info is None else "y" if proto_info else "n",
        "UCX_TLS": ",".join(pick("tls") or []) or None,
    }
    profile = {name: each.value for name, each in context.infrastructure.ucx.items()}
    own = {name: str(value) for name, value in values.items() if value is not None}
    return dict(sorted({**profile, **own}.items()))


def _model(context: Context) -> args.ModelArgs:
    model = context.settings.model
    weights_given = model.path is not None
    return args.ModelArgs(
        source=f"{MODEL_FOLDER}/{model.path}" if weights_given else model.name,
        served_name=model.served_name or model.name,
        max_model_len=model.max_model_len,
        block_size=model.block_size,
        storage=model.storage,
        claim=model.claim,
        read_only=weights_given,
        token_secret=context.token_secret,
    )


def _user(context: Context, role: Role, image_user: int | None) -> int | None:
    """Return the user that the pod sets for vLLM's container; None: it sets none, and the image decides."""
    for own in (context.tier(role).security_context.run_as_user, context.settings.security.run_as_user):
        if own is not None:
            return own
    if image_user is None:  # an own image may run as root already
        as_root = context.settings.security.locked_memory is LockedMemory.CAPABILITY
    else:
        as_root = image_user != 0 and locked_memory.demanded(context, role)
    return 0 if as_root or context.infrastructure.run_as_root else None


RESTRICTED = args.ConfinementArgs(
    run_as_non_root=True,
    allow_privilege_escalation=False,
    drop_capabilities=["ALL"],
    seccomp_profile="RuntimeDefault",
)
"""What Pod Security's level restricted demands of a container."""


def _confinement(context: Context, tier: Tier, user: int | None) -> args.ConfinementArgs:
    """Return the tier's own fields, then those that `security.podSecurity` demands; root has the group root."""
    base = RESTRICTED if context.settings.security.pod_security is PodSecurity.RESTRICTED else args.ConfinementArgs()
    own = tier.security_context.model_dump(exclude={"run_as_user"}, exclude_unset=True)
    group = {"run_as_group": 0} if user == 0 else {}
    return args.ConfinementArgs(**{**base.model_dump(), **group, **own})


def _volume_group(context: Context, image: Image, user: int | None) -> int | None:
    """Return the group that lets the image's user write to a new claim, which belongs to root; None: not needed."""
    security, model = context.settings.security, context.settings.model
    if "fs_group" in security.model_fields_set:
        return security.fs_group
    downloads = model.claim is not None and model.path is None
    return image.user or None if downloads and not context.random_users and user != 0 else None


def _attention_backend(context: Context, tier: Tier) -> str | None:
    """Return `--attention-backend`; None where the accelerator needs none, or the tier sets its own."""
    mixed = _tensor_parallel(context, Role.PREFILL) != _tensor_parallel(context, Role.DECODE)
    own = own_attention_backend(tier.extra_args)
    return context.accelerator.mixed_tp_attention if mixed and not own else None


def _requests(context: Context, tier: Tier, gpus: int, device: args.DeviceArgs | None) -> dict[str, str]:
    """What a worker requests: CPU, memory, GPUs, RDMA devices, further resources, and disk for its emptyDirs."""
    model, whole = context.settings.model, context.infrastructure.whole_node
    sized = whole is not None and "cpu" not in tier.model_fields_set
    return {
        "cpu": whole.cpu if whole and sized else tier.cpu,
        "memory": tier.memory or (whole.memory if whole else context.accelerator.memory),
        context.gpu_resource: str(gpus),
        **({device.resource: str(device.count)} if device else {}),
        **tier.resources,
        **_disk([*([model.storage] if downloads(context, tier) else []), *_folders(tier)]),
    }


def downloads(context: Context, tier: Tier) -> bool:
    """Whether the pods of a tier download the weights to the emptyDir of `serving.model.storage`."""
    model = context.settings.model
    return model.claim is None and not model.name.startswith("/") and CACHE_VARIABLE not in tier.env


def _folders(tier: Tier) -> list[str]:
    own = [each.empty_dir for each in tier.volumes if each.empty_dir]
    return [each.size_limit for each in own if each.size_limit and each.medium is None]


def _disk(sizes: list[str]) -> dict[str, str]:
    if len(sizes) < 2:
        return dict.fromkeys([DISK], sizes[0]) if sizes else {}
    return {DISK: str(ceil(sum(map(amount, sizes))))}


def _limits(context: Context, tier: Tier, requests: Mapping[str, str]) -> dict[str, str]:
    """Limits of a worker: its requests, unless the tier or the infrastructure says otherwise.

    Disk is requested only: each emptyDir has a limit of its own.
    """
    unlimited = {DISK, *(["cpu"] if context.infrastructure.unlimited_cpu else [])}
    equal = {name: quantity for name, quantity in requests.items() if name not in unlimited}
    own = {"cpu": tier.cpu_limit, "memory": tier.memory_limit}
    return {**equal, **{name: quantity for name, quantity in own.items() if quantity}}


def _shm_size(context: Context, tier: Tier) -> str:
    whole = context.infrastructure.whole_node
    return tier.shm_size or context.mode.shm_size or (whole.shm_size if whole else SHM_SIZE)
