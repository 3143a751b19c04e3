"""The settings of the two worker tiers."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from components.config.fields import (
    ConfigKey,
    Count,
    Device,
    DnsLabel,
    EnvName,
    EnvValue,
    FurtherResource,
    LabelKey,
    LabelValue,
    Network,
    ObjectName,
    Quantity,
    Seconds,
    documented,
    null_word,
    wrong,
)
from components.config.strict import Strict
from components.config.ucx import Ucx
from components.config.vocabulary import (
    Capability,
    Effect,
    FailurePolicy,
    HostPathType,
    Operator,
    VllmLogLevel,
    ZapLogLevel,
)


def _device_count(value: Any) -> Any:
    if value == "tensorParallel" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise wrong(
        "is neither a whole number from 1 nor tensorParallel",
        "the API server would refuse the pod",
        "write 1 for a shared device, tensorParallel where each GPU has its own adapter",
    )


DeviceCount = Annotated[
    int | Literal["tensorParallel"],
    BeforeValidator(_device_count),
    documented("1 or more, or tensorParallel", anyOf=[{"type": "integer", "minimum": 1}, {"const": "tensorParallel"}]),
]


class Rdma(Strict):
    """The RDMA device that each worker pod asks for."""

    resource: Device | None = None
    """Extended resource of the network operator, such as `rdma/ib`; default: the infrastructure's."""
    count: DeviceCount | None = None
    """Devices per pod: 1 for a shared device, `tensorParallel` where each GPU has its own adapter; default: the
    infrastructure's, else 1."""
    network: Network | None = None
    """Multus network that brings the devices' interfaces, `name` or `namespace/name`: one attachment for each device;
    default: the infrastructure's, else none."""


class Toleration(Strict):
    """A taint that the pods accept."""

    key: LabelKey | None = None
    """The taint's key; unset with `Exists` means every taint."""
    operator: Operator = Operator.EXISTS
    """`Exists`, or `Equal` with `value`; default: `Equal` where there is a `value`."""
    value: LabelValue | None = None
    """The taint's value, with `Equal`."""
    effect: Effect | None = None
    """The taint's effect; unset means all."""
    toleration_seconds: Annotated[int | None, Field(ge=0)] = None
    """With the effect NoExecute: seconds that a running pod stays after the taint comes; unset: no limit."""

    @model_validator(mode="before")
    @classmethod
    def _equal_by_default(cls, data: Any) -> Any:
        return {"operator": Operator.EQUAL, **data} if isinstance(data, dict) and data.get("value") else data

    @model_validator(mode="after")
    def _exists_has_no_value(self) -> "Toleration":
        if self.operator is Operator.EXISTS and self.value:
            raise wrong(
                "has a value, and its operator is Exists",
                "the API server would refuse the Deployment: `value must be empty when operator is 'Exists'`",
                "delete the value, or set operator: Equal",
            )
        return self

    @model_validator(mode="after")
    def _seconds_are_of_running_pods(self) -> "Toleration":
        if self.toleration_seconds is not None and self.effect is not Effect.NO_EXECUTE:
            raise wrong(
                "has tolerationSeconds, and its effect is not NoExecute",
                "the API server would refuse the Deployment: `effect must be 'NoExecute' when …`",
                "set effect: NoExecute, or delete tolerationSeconds",
            )
        return self


class HostPath(Strict):
    """A file or folder of the node that the worker needs, such as a vendor's RDMA library."""

    host_path: str = Field(pattern=r"^/")
    """Absolute path on the node."""
    mount_path: str = Field(pattern=r"^/")
    """Absolute path in the container."""
    type: HostPathType | None = None
    """What must be there; unset means unchecked."""
    read_only: bool = True
    """Mounted read-only."""


class EmptyDir(Strict):
    """A folder that is made and deleted with the pod."""

    size_limit: Quantity | None = None
    """Size limit. Without `medium: Memory` the pod also requests this much `ephemeral-storage`."""
    medium: Literal["Memory"] | None = None
    """`Memory`: what it holds counts as the pod's memory; unset: the node's disk."""


SOURCES = ("claim", "config_map", "secret", "empty_dir", "csi", "ephemeral")
"""Fields for the source of a volume."""


class Volume(Strict):
    """A volume of the pods, mounted in vLLM's container; exactly one field for its source is set."""

    name: DnsLabel
    """Its name in the pod."""
    mount_path: str = Field(pattern=r"^/[^:]*$")
    """Absolute path in the container."""
    read_only: bool = False
    """Mounted read-only."""
    sub_path: str | None = Field(default=None, pattern=r"^\.?[^./]([^.]|\.[^.])*$")
    """Folder or file of the volume that is mounted instead of the whole."""
    claim: ObjectName | None = None
    """An existing PersistentVolumeClaim; ReadWriteMany or ReadOnlyMany when workers sit on several nodes."""
    config_map: ObjectName | None = None
    """A ConfigMap: a file for each key, such as a chat template."""
    secret: ObjectName | None = None
    """A Secret: a file for each key, such as certificates."""
    empty_dir: EmptyDir | None = None
    """A folder that is made with the pod, such as /tmp with a read-only image: `{}` or a size."""
    csi: dict[str, Any] | None = None
    """A volume of a CSI driver within the pod (`driver`, `volumeAttributes` …), passed on as written."""
    ephemeral: dict[str, Any] | None = None
    """A claim that is made for each pod (`volumeClaimTemplate`), passed on as written."""

    @model_validator(mode="after")
    def _one_source(self) -> "Volume":
        given = [str(type(self).model_fields[name].alias) for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise wrong(
                f"has {len(given)} sources{': ' if given else ''}{', '.join(given)}",
                "the API server would refuse the Deployment: a volume has exactly one type",
                "set one of claim, configMap, secret, emptyDir, csi and ephemeral; a folder of the node is hostPaths",
            )
        return self


class SecurityContext(Strict):
    """Rights of vLLM's container. Unset fields follow `security`, `capabilities` and the image."""

    run_as_user: Annotated[int, Field(ge=0)] | None = None
    """User of vLLM's process in this tier; default: `security.runAsUser`."""
    run_as_group: Annotated[int, Field(ge=0)] | None = None
    """Its group; default: 0 for root, else the image's."""
    run_as_non_root: bool | None = None
    """The kubelet starts no container that runs as root."""
    supplemental_groups: list[Annotated[int, Field(ge=0)]] = []
    """Further groups, such as that of the nodes' GPU devices."""
    allow_privilege_escalation: bool | None = None
    """false: no process gets more rights than the one that started it."""
    read_only_root_filesystem: bool | None = None
    """The image is read-only; vLLM then needs `volumes` for what it writes, such as /tmp."""
    drop_capabilities: list[Annotated[str, Field(pattern=r"^[A-Z_]+$")]] = []
    """Linux capabilities to drop, such as ALL. The container keeps those of `capabilities` also with ALL."""
    seccomp_profile: str | None = Field(default=None, pattern=r"^(RuntimeDefault|Unconfined|Localhost/.+)$")
    """`RuntimeDefault`, `Unconfined`, or `Localhost/<file>` of the kubelet's folder for profiles."""


class ValueFrom(Strict):
    """A value from a Secret or ConfigMap of the namespace."""

    secret: ObjectName | None = None
    """Name of the Secret; set either this or `configMap`."""
    config_map: ObjectName | None = None
    """Name of the ConfigMap; set either this or `secret`."""
    key: ConfigKey
    """Key of the value in the Secret or ConfigMap."""
    optional: bool = False
    """true: pods start without the variable if the object or key is absent. false: pods wait for it."""

    @model_validator(mode="after")
    def _one_object(self) -> "ValueFrom":
        if (self.secret is None) == (self.config_map is None):
            raise wrong(
                "names both a Secret and a ConfigMap" if self.secret else "names neither a Secret nor a ConfigMap",
                "the API server would refuse the Deployment",
                "write {secret: name, key: key} or {configMap: name, key: key}",
            )
        return self


class KvTransfer(Strict):
    """vLLM's KV connector, which moves KV blocks from prefill to decode workers."""

    connector: str | None = Field(default=None, pattern=r"^\w+$")
    """`kv_connector`; default: the stack's, else NixlConnector (guide). MoRIIOConnector is for amd, release 0.9 and
    newer."""
    failure_policy: FailurePolicy | None = None
    """What a decode worker does if blocks do not arrive (`kv_load_failure_policy`): `fail` the request, or `recompute`
    the prompt, which slows other streams. Unset is vLLM's `fail`."""
    lease_seconds: Count | None = None
    """Seconds that a prefill worker keeps the blocks of a request that decode has not fetched
    (`kv_lease_duration`); decode workers renew it. Unset is vLLM's 30. Release 0.9 and newer."""
    backends: list[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]] = []
    """NIXL's backends, such as UCX or LIBFABRIC, in place of the infrastructure's; empty is NIXL's UCX."""
    extra: dict[str, Any] = {}
    """Further fields of `--kv-transfer-config`, such as kv_buffer_device; in a tier also `kv_role`."""


EnvSetting = Annotated[
    Annotated[EnvValue, Tag("text")] | Annotated[ValueFrom, Tag("reference")],
    Discriminator(lambda given: "reference" if isinstance(given, (dict, ValueFrom)) else "text"),
]
"""A variable's value, or the Secret or ConfigMap that holds it."""


class Rollout(Strict):
    """How long things may take, and how pods are replaced. All times in seconds."""

    startup_budget: Seconds = 1800
    """How long a worker may load its model before it is restarted (guide: 60 probes of 30 s)."""
    termination_grace: Seconds | None = None
    """How long a worker may take to finish its requests before it is killed; an idle one ends at once. Default of
    prefill: 120. Default of decode: the time for `maxModelLen` tokens at 20 a second (1600), at least 120 and at most
    3600; with `maxModelLen: null` 3600."""
    max_unavailable: Annotated[int, Field(ge=0)] = 1
    """Pods that may be missing while the tier is replaced; 0 needs `maxSurge`."""
    max_surge: Annotated[int, Field(ge=0)] = 0
    """Pods beyond `replicas` while the tier is replaced. Each needs the GPUs of one more worker, which must be free
    meanwhile: otherwise the rollout waits for them until `updateTimeout`."""
    create_timeout: Seconds | None = None
    """How long `pulumi up` waits for a new tier; default: image pull (600) + start-up budget."""
    update_timeout: Seconds | None = None
    """How long `pulumi up` waits for a rollout; default: 600 + rounds x (termination grace + start-up budget)."""


class Tier(Strict):
    """What both tiers have in common."""

    replicas: Annotated[Count | None, BeforeValidator(null_word)]
    """Worker pods; `null` leaves their number to an autoscaler."""
    tensor_parallel: Count
    """GPUs per pod."""
    cpu: Quantity
    """CPU request, and limit unless `cpuLimit` says another."""
    cpu_limit: Quantity | None = None
    """CPU limit above the request, for CPUs that a node has to spare; default: equal (with infrastructure aws-efa:
    none). Only a pod with requests equal to its limits is of class Guaranteed."""
    memory: Quantity | None = None
    """Memory request, and limit unless `memoryLimit` says another; default: the infrastructure's, else the
    accelerator's (accelerators.md)."""
    memory_limit: Quantity | None = None
    """Memory limit above the request; default: equal. A node without free memory evicts pods above their request."""
    resources: dict[FurtherResource, Quantity] = {}
    """Further resources that each pod requests and is limited to: devices such as another rail of the network
    (`nvidia.com/rail-2: 1`), or huge pages (`hugepages-2Mi: 5120Mi`)."""
    shm_size: Quantity | None = None
    """Size of /dev/shm; default: the infrastructure's, else 16Gi, 64Gi with `hostNetwork` (NCCL/RCCL of 8 GPUs)."""
    image: str | None = Field(default=None, pattern=r"^\S+$")
    """vLLM image; default: the release's for the accelerator. `images.mirror` does not change it."""
    extra_args: list[str] = []
    """Further `vllm serve` arguments, `--flag=value` each; what the program itself sets is refused."""
    env: dict[EnvName, EnvSetting] = {}
    """Further environment variables; they override the infrastructure's. Those that the program sets are refused. A
    value from a Secret is `{secret: name, key: key}`, one from a ConfigMap `{configMap: name, key: key}`."""
    log_level: VllmLogLevel | None = None
    """`VLLM_LOGGING_LEVEL`; unset is vLLM's info."""
    rdma: Annotated[Rdma | None, BeforeValidator(null_word)] = None
    """This tier's RDMA device instead of the stack's; `null` = TCP."""
    ucx: Ucx = Ucx.model_construct()
    """UCX variables of this tier; each overrides the stack's."""
    kv_transfer: KvTransfer = KvTransfer.model_construct()
    """KV connector of this tier; each field overrides the stack's. A tier with a `connector` takes nothing from the
    stack's `extra`. Examples: MultiConnector in prefill only; the roles kv_producer and kv_consumer of newer vLLM."""
    node_selector: dict[LabelKey, LabelValue] = {}
    """Labels of the nodes that may run the workers; each overrides the infrastructure's."""
    tolerations: list[Toleration] = []
    """Taints that the workers accept."""
    affinity: dict[Literal["nodeAffinity", "podAffinity", "podAntiAffinity"], dict[str, Any]] = {}
    """A Kubernetes affinity, passed on as written."""
    annotations: dict[LabelKey, EnvValue] = {}
    """Annotations of the pods, such as a secondary network's; each overrides the infrastructure's."""
    labels: dict[LabelKey, LabelValue] = {}
    """Further labels of the Deployment and its pods, such as a queue's; the program's own are refused."""
    priority_class: ObjectName | None = None
    """PriorityClass of the pods."""
    runtime_class: ObjectName | None = None
    """RuntimeClass of the pods, such as `nvidia` where that is not the node's default."""
    scheduler: ObjectName | None = None
    """`schedulerName` of the pods; unset is the cluster's default scheduler."""
    capabilities: list[Capability] = []
    """Linux capabilities, such as IPC_LOCK for pinned memory; a list here replaces the infrastructure's."""
    security_context: SecurityContext = SecurityContext.model_construct()
    """Rights of vLLM's container, such as what a Pod Security level demands."""
    host_paths: list[HostPath] = []
    """Files and folders of the node, in addition to the infrastructure's; the same mount path replaces one of these."""
    volumes: list[Volume] = []
    """Further volumes: claims, ConfigMaps, Secrets, empty folders and what CSI drivers make."""
    rollout: Rollout = Rollout.model_construct()
    """Start-up, termination and replacement."""

    @property
    def variables(self) -> dict[str, str]:
        """Variables of `env` with a value in the settings."""
        return {name: value for name, value in self.env.items() if isinstance(value, str)}

    @property
    def references(self) -> dict[str, ValueFrom]:
        """Variables of `env` with a value in a Secret or ConfigMap."""
        return {name: value for name, value in self.env.items() if isinstance(value, ValueFrom)}


class Prefill(Tier):
    """The prefill tier: computes the KV cache of prompts. Guide: 4 x TP1."""

    replicas: Annotated[Count | None, BeforeValidator(null_word)] = 4
    """Worker pods; `hostNetwork` makes it 1. `null`: a new tier begins with 4, then an autoscaler decides."""
    tensor_parallel: Count = 1
    """GPUs per pod; `hostNetwork` makes it `gpusPerNode`. Decode's must be a multiple or, from 0.6 on, a divisor."""
    cpu: Quantity = "8"
    """CPU request, and limit unless `cpuLimit` says another."""


class Sidecar(Strict):
    """The routing sidecar of the decode pods: sends each prompt to the prefill pod that the EPP chose, then to vLLM."""

    image: str | None = Field(default=None, pattern=r"^\S+$")
    """Its image; default: the release's."""
    cpu: Quantity = "2"
    """CPU request and limit; more for many requests per second."""
    memory: Quantity = "2Gi"
    """Memory request and limit."""
    log_level: ZapLogLevel = ZapLogLevel.INFO
    """`--zap-log-level`; the guide's debug prints every request."""
    prefill_retries: Annotated[int, Field(ge=0)] | None = None
    """How often a prefill leg that failed with a 5xx is tried again (`--prefill-max-retries`); unset is the sidecar's
    0. Release 0.9 and newer; before, decode computes such a prompt."""
    prefill_retry_backoff: Count | None = None
    """Milliseconds before each try (`--prefill-retry-backoff`); unset is the sidecar's 200."""


class Decode(Tier):
    """The decode tier: generates the tokens. Guide: 1 x TP4."""

    replicas: Annotated[Count | None, BeforeValidator(null_word)] = 1
    """Worker pods. `null`: a new tier begins with 1, then an autoscaler decides."""
    tensor_parallel: Count = 4
    """GPUs per pod; `hostNetwork` makes it `gpusPerNode`."""
    cpu: Quantity = "16"
    """CPU request, and limit unless `cpuLimit` says another."""
    sidecar: Sidecar = Sidecar.model_construct()
    """The routing sidecar of the decode pods."""
