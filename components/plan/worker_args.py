"""Arguments of the two worker tiers: all that is decided about them. Checks, objects and outputs read it here."""

from enum import StrEnum
from typing import Any

from components.args import Args, ImageArgs, PlacementArgs, SecretKeyArgs, TracesArgs
from components.config.vocabulary import Role


class Strategy(StrEnum):
    """How a tier's pods are replaced."""

    ROLLING = "RollingUpdate"
    RECREATE = "Recreate"


class RolloutArgs(Args):
    """Replacement and timing of a tier; all times in seconds."""

    strategy: Strategy
    max_unavailable: int
    """Pods that may be missing while the tier is replaced."""
    max_surge: int = 0
    """Pods beyond `replicas` while the tier is replaced."""
    rounds: int = 1
    """Number of rounds, each of `max_unavailable` + `max_surge` pods, until all pods are new."""
    startup_budget: int
    termination_grace: int
    progress_deadline: int
    create_timeout: int
    """Longest wait of Pulumi for a new tier."""
    update_timeout: int
    """Longest wait of Pulumi for a rollout."""
    delete_timeout: int
    """Longest wait of Pulumi for the deletion of a tier."""
    replaced: bool = False
    """Whether any change of the pods replaces the tier: all old pods end before the first new one starts."""


class ModelArgs(Args):
    """What vLLM serves."""

    source: str
    """First argument of `vllm serve`: a Hugging Face id or a folder."""
    served_name: str
    """Name that clients ask for."""
    max_model_len: int | None
    """Tokens; None: the model's own."""
    block_size: int | None
    """Tokens per KV block; None: vLLM's choice."""
    storage: str
    """Limit of the emptyDir for the weights, unless `claim`."""
    claim: str | None = None
    """PersistentVolumeClaim with the weights or the cache."""
    read_only: bool
    token_secret: str | None = None


class HostPathArgs(Args):
    """A file or folder of the node."""

    host_path: str
    mount_path: str
    type: str
    read_only: bool


class EmptyDirArgs(Args):
    """A folder that is made with the pod."""

    size_limit: str | None = None
    medium: str | None = None


class VolumeArgs(Args):
    """A further volume: one of the fields from `claim` on is given."""

    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str | None = None
    claim: str | None = None
    config_map: str | None = None
    secret: str | None = None
    empty_dir: EmptyDirArgs | None = None
    csi: dict[str, Any] | None = None
    ephemeral: dict[str, Any] | None = None


class ConfinementArgs(Args):
    """What vLLM's container may not do; None: as Kubernetes or the image decides."""

    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    supplemental_groups: list[int] = []
    allow_privilege_escalation: bool | None = None
    read_only_root_filesystem: bool | None = None
    drop_capabilities: list[str] = []
    seccomp_profile: str | None = None


class ReferenceArgs(Args):
    """A variable's value in a Secret or a ConfigMap: one of the two is given."""

    secret: str | None = None
    config_map: str | None = None
    key: str
    optional: bool = False


class DeviceArgs(Args):
    """The RDMA devices that each pod asks for."""

    resource: str
    count: int
    """Devices of a pod."""
    network: str | None = None
    one_attachment: bool = False
    """Whether one attachment of the network brings all devices; otherwise each device has an attachment."""


class ResolvedTier(Args):
    """A tier of vLLM workers, completely decided."""

    namespace: str
    name: str
    role: Role
    labels: dict[str, str]
    selector: dict[str, str]
    annotations: dict[str, str]
    service_account: str
    replicas: int
    """Pods; where the tier is autoscaled, those of a new tier."""
    autoscaled: bool = False
    """Whether an autoscaler decides the number of pods of a tier that exists."""
    image: ImageArgs
    model: ModelArgs
    gpus: int
    """GPUs that the pod takes of its node."""
    gpu_resource: str
    """Extended resource of the GPUs; it is among the resources."""
    tensor_parallel: int
    """GPUs per pod."""
    port: int
    nixl_port: int
    prefill_port: int | None = None
    """On decode: vLLM's port on the prefill pods, where the sidecar sends a request first."""
    kv_transfer: dict[str, Any]
    attention_backend: str | None = None
    """`--attention-backend`, where the accelerator needs one."""
    log_level: str | None = None
    traces: TracesArgs | None = None
    """Where traces of requests go; None: none are made."""
    detailed_traces: bool = False
    api_key: SecretKeyArgs | None = None
    """The API key that vLLM requires of requests below `/v1`; None: none."""
    extra_args: list[str]
    env: dict[str, str]
    references: dict[str, ReferenceArgs] = {}
    """Variables with a value in a Secret or ConfigMap; none of them is in `env`."""
    ucx: dict[str, str]
    resources: dict[str, str]
    """Requests: cpu, memory, GPUs, RDMA devices, further ones; disk of the node for the weights."""
    limits: dict[str, str]
    """Limits; a resource without a limit is requested only."""
    further: list[str] = []
    """The resources that the tier's own `resources` name."""
    shm_size: str
    device: DeviceArgs | None = None
    """RDMA devices, which are among the resources."""
    rdma: bool = False
    """Whether RDMA reaches the pods, by a device or otherwise."""
    host_network: bool
    privileged: bool = False
    capabilities: list[str]
    fs_group: int | None = None
    run_as_user: int | None = None
    """User that the container is given; None: the image's."""
    user: int | None = None
    """User of vLLM's process; None: unknown, because the image is the user's own."""
    confinement: ConfinementArgs = ConfinementArgs()
    caches: dict[str, str] = {}
    """Variables that name folders of compiled code, with the folder below the scratch volume."""
    prelude: list[str] = []
    host_paths: list[HostPathArgs]
    volumes: list[VolumeArgs] = []
    placement: PlacementArgs
    rollout: RolloutArgs

    @property
    def mounted(self) -> list[str]:
        """Mount paths of the node's files and of further volumes, without a slash at the end."""
        paths = [each.mount_path for each in self.host_paths] + [each.mount_path for each in self.volumes]
        return [path.rstrip("/") or "/" for path in paths]


class SidecarArgs(Args):
    """The routing sidecar of the decode pods."""

    image: ImageArgs
    port: int
    """Port that the pool sends requests to."""
    flags: dict[str, str]
    """Command-line flags after `--port`, in order."""
    own_address: str | None = None
    """Variable with the pod's address; None: it needs none."""
    env: dict[str, str]
    resources: dict[str, str]
    """Requests, equal to limits."""


class PrefillTierArgs(Args):
    """The prefill tier."""

    worker: ResolvedTier


class DecodeTierArgs(Args):
    """The decode tier."""

    worker: ResolvedTier
    sidecar: SidecarArgs
