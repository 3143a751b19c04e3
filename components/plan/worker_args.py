"""Arguments of the two worker tiers: all that is decided about them. Checks, objects and outputs read it here."""

from enum import StrEnum
from typing import Any

from components.args import Args, ImageArgs, PlacementArgs, TracesArgs
from components.config.vocabulary import Role


class Strategy(StrEnum):
    """How a tier's pods are replaced."""

    ROLLING = "RollingUpdate"
    RECREATE = "Recreate"


class RolloutArgs(Args):
    """Replacement and timing of a tier; all times in seconds."""

    strategy: Strategy
    """RollingUpdate or Recreate."""
    max_unavailable: int
    """Pods that may be missing while the tier is replaced."""
    max_surge: int = 0
    """Pods beyond `replicas` meanwhile."""
    rounds: int = 1
    """How many times in a row that is done until the tier is new."""
    startup_budget: int
    """Loading the model."""
    termination_grace: int
    """SIGTERM to SIGKILL."""
    progress_deadline: int
    """When the Deployment counts as failed."""
    create_timeout: int
    """Longest wait of Pulumi for a new tier."""
    update_timeout: int
    """Longest wait of Pulumi for a rollout."""
    delete_timeout: int
    """Longest wait of Pulumi for a tier's end."""
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
    """Whether the claim is mounted read-only."""
    token_secret: str | None = None
    """Secret with the Hugging Face token."""


class SecretKeyArgs(Args):
    """A key of a Secret in the stack's namespace."""

    name: str
    """The Secret."""
    key: str
    """Its key."""


class HostPathArgs(Args):
    """A file or folder of the node."""

    host_path: str
    """On the node."""
    mount_path: str
    """In the container."""
    type: str
    """What must be there; empty: unchecked."""
    read_only: bool
    """Read-only mount."""


class EmptyDirArgs(Args):
    """A folder that is made with the pod."""

    size_limit: str | None = None
    """How much it may hold."""
    medium: str | None = None
    """Memory; None: the node's disk."""


class VolumeArgs(Args):
    """A further volume: one of the fields from `claim` on is given."""

    name: str
    """In the pod."""
    mount_path: str
    """In the container."""
    read_only: bool = False
    """Read-only mount."""
    sub_path: str | None = None
    """Folder or file of it that is mounted."""
    claim: str | None = None
    """PersistentVolumeClaim."""
    config_map: str | None = None
    """ConfigMap."""
    secret: str | None = None
    """Secret."""
    empty_dir: EmptyDirArgs | None = None
    """A folder that is made with the pod."""
    csi: dict[str, Any] | None = None
    """A CSI driver's volume, as Kubernetes takes it."""
    ephemeral: dict[str, Any] | None = None
    """A claim for each pod, as Kubernetes takes it."""


class ConfinementArgs(Args):
    """What vLLM's container may not do; None: as Kubernetes or the image decides."""

    run_as_group: int | None = None
    """Group of the process."""
    run_as_non_root: bool | None = None
    """Whether the kubelet refuses root."""
    supplemental_groups: list[int] = []
    """Further groups of the pod's processes."""
    allow_privilege_escalation: bool | None = None
    """Whether a process may get more rights than the one that started it."""
    read_only_root_filesystem: bool | None = None
    """Whether the image is read-only."""
    drop_capabilities: list[str] = []
    """Linux capabilities taken away."""
    seccomp_profile: str | None = None
    """RuntimeDefault, Unconfined, or Localhost/ and a file."""


class ReferenceArgs(Args):
    """A variable's value in a Secret or a ConfigMap: one of the two is given."""

    secret: str | None = None
    """Name of the Secret."""
    config_map: str | None = None
    """Name of the ConfigMap."""
    key: str
    """Key in it."""
    optional: bool = False
    """Whether the pods start without it."""


class DeviceArgs(Args):
    """The RDMA devices that each pod asks for."""

    resource: str
    """Extended resource."""
    count: int
    """Devices of a pod."""
    network: str | None = None
    """Multus network that brings their interfaces, `[namespace/]name`."""
    one_attachment: bool = False
    """Whether one attachment of it brings them all; otherwise there is one for each device."""


class ResolvedTier(Args):
    """A tier of vLLM workers, completely decided."""

    namespace: str
    """Where."""
    name: str
    """Deployment."""
    role: Role
    """prefill or decode."""
    labels: dict[str, str]
    """Labels of the pods."""
    selector: dict[str, str]
    """Labels that select them."""
    annotations: dict[str, str]
    """Annotations of the pods."""
    service_account: str
    """ServiceAccount."""
    replicas: int
    """Pods; where the tier is autoscaled, those of a new tier."""
    autoscaled: bool = False
    """Whether an autoscaler decides the number of pods of a tier that exists."""
    image: ImageArgs
    """vLLM image."""
    model: ModelArgs
    """What is served."""
    gpus: int
    """GPUs that the pod takes of its node."""
    gpu_resource: str
    """Extended resource that they are, which is among the resources."""
    tensor_parallel: int
    """GPUs per pod."""
    port: int
    """vLLM's HTTP port."""
    nixl_port: int
    """NIXL side channel."""
    prefill_port: int | None = None
    """On decode: vLLM's port on the prefill pods, where the sidecar sends a request first."""
    kv_transfer: dict[str, Any]
    """`--kv-transfer-config`."""
    attention_backend: str | None = None
    """`--attention-backend`, where the accelerator needs one."""
    log_level: str | None = None
    """`VLLM_LOGGING_LEVEL`."""
    traces: TracesArgs | None = None
    """Where traces of requests go; None: none are made."""
    detailed_traces: bool = False
    """`--collect-detailed-traces`."""
    api_key: SecretKeyArgs | None = None
    """The key that vLLM asks of requests below `/v1`; None: it asks for none."""
    extra_args: list[str]
    """Further arguments."""
    env: dict[str, str]
    """Further variables."""
    references: dict[str, ReferenceArgs] = {}
    """Variables with a value in a Secret or ConfigMap; none of them is in `env`."""
    ucx: dict[str, str]
    """UCX variables by name."""
    resources: dict[str, str]
    """Requests: cpu, memory, GPUs, RDMA devices, further ones; disk of the node for the weights."""
    limits: dict[str, str]
    """Limits; what is not among them is requested only."""
    further: list[str] = []
    """The resources that the tier's own `resources` name."""
    shm_size: str
    """Size of /dev/shm."""
    device: DeviceArgs | None = None
    """RDMA devices, which are among the resources."""
    rdma: bool = False
    """Whether RDMA reaches the pods, by a device or otherwise."""
    host_network: bool
    """Whether pods are on the network of their node."""
    privileged: bool = False
    """Privileged container."""
    capabilities: list[str]
    """Linux capabilities."""
    fs_group: int | None = None
    """Group of the volumes."""
    run_as_user: int | None = None
    """User that the container is given; None: the image's."""
    user: int | None = None
    """User of vLLM's process; None: unknown, because the image is the user's own."""
    confinement: ConfinementArgs = ConfinementArgs()
    """What the container may not do."""
    caches: dict[str, str] = {}
    """Variables that name folders of compiled code, with the folder below the scratch volume."""
    prelude: list[str] = []
    """Shell commands that vLLM's process begins with."""
    host_paths: list[HostPathArgs]
    """Files and folders of the node."""
    volumes: list[VolumeArgs] = []
    """Further volumes."""
    placement: PlacementArgs
    """Where the pods may run."""
    rollout: RolloutArgs
    """Replacement and timing."""

    @property
    def mounted(self) -> list[str]:
        """Mount paths of the node's files and of further volumes, without a slash at the end."""
        paths = [each.mount_path for each in self.host_paths] + [each.mount_path for each in self.volumes]
        return [path.rstrip("/") or "/" for path in paths]


class SidecarArgs(Args):
    """The routing sidecar of the decode pods."""

    image: ImageArgs
    """Image."""
    port: int
    """Port that the pool sends requests to."""
    flags: dict[str, str]
    """Command-line flags after `--port`, in order."""
    own_address: str | None = None
    """Variable with the pod's address; None: it needs none."""
    env: dict[str, str]
    """Environment variables."""
    resources: dict[str, str]
    """Requests, equal to limits."""


class PrefillTierArgs(Args):
    """The prefill tier."""

    worker: ResolvedTier
    """Its workers."""


class DecodeTierArgs(Args):
    """The decode tier."""

    worker: ResolvedTier
    """Its workers."""
    sidecar: SidecarArgs
    """The routing sidecar before each."""
