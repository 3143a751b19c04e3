"""Closed vocabularies: every word that a setting may have, one enumeration for each kind of word."""

from enum import StrEnum
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema


class Word(StrEnum):
    """Base of the vocabularies. It accepts the text of a stack file, where a strict model demands a member of the
    enum."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        schema["strict"] = False  # type: ignore[index]  # an enum's core schema has the key
        return schema


class Accelerator(Word):
    """GPU vendor of the workers; one file each in `components/accelerators`."""

    AMD = "amd"
    NVIDIA = "nvidia"


class Gpu(Word):
    """GPU product, as `products` of the accelerators have it (`components/accelerators`)."""

    MI300X = "MI300X"
    MI325X = "MI325X"
    MI355X = "MI355X"
    H100 = "H100"
    H200 = "H200"
    B200 = "B200"
    A100 = "A100"
    L40S = "L40S"


class Infrastructure(Word):
    """Where the cluster runs and how its pods reach the fabric; one file each in `components/infrastructures`."""

    RDMA_SHARED = "rdma-shared"
    RDMA_SRIOV = "rdma-sriov"
    OPENSHIFT_ROCE = "openshift-roce"
    COREWEAVE = "coreweave"
    AKS = "aks"
    OCI_AMD = "oci-amd"
    AWS_EFA = "aws-efa"
    GKE_ROCE = "gke-roce"
    DIGITALOCEAN = "digitalocean"
    NONE = "none"


class ReleaseName(Word):
    """llm-d release: decides all images and flag dialects together (`components/releases`)."""

    V0_10 = "0.10"
    V0_9 = "0.9"
    V0_6 = "0.6"
    V0_4 = "0.4"

    @property
    def parts(self) -> tuple[int, ...]:
        """The numbers of the release, by which releases are ordered: 0.10 comes after 0.9."""
        return tuple(map(int, self.value.split(".")))

    def __lt__(self, other: str) -> bool:
        return self.parts < ReleaseName(other).parts

    def __le__(self, other: str) -> bool:
        return self.parts <= ReleaseName(other).parts

    def __gt__(self, other: str) -> bool:
        return self.parts > ReleaseName(other).parts

    def __ge__(self, other: str) -> bool:
        return self.parts >= ReleaseName(other).parts


class Provider(Word):
    """Gateway controller that serves the Gateway, or an Envoy of the stack; one file each in `components/gateways`."""

    ISTIO = "istio"
    KGATEWAY = "kgateway"
    AGENTGATEWAY = "agentgateway"
    GKE = "gke"
    DATA_SCIENCE = "data-science-gateway"
    STANDALONE = "standalone"


class ChangeStrategy(Word):
    """What happens to a change that restarts workers which serve."""

    IN_PLACE = "inPlace"
    BLUE_GREEN = "blueGreen"


class Preflight(Word):
    """What an `up` and a preview make of the live cluster before the first resource."""

    ENFORCE = "enforce"
    WARN = "warn"
    OFF = "off"


class Waiting(Word):
    """What an `up` does about pods that do not become Ready."""

    END = "end"
    EXPLAIN = "explain"
    OFF = "off"


class ServiceType(Word):
    """How the gateway's Service is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class Fairness(Word):
    """Which sender comes next among requests of one priority."""

    ROUND_ROBIN = "roundRobin"
    GLOBAL_STRICT = "globalStrict"


class Ordering(Word):
    """Which request of a sender goes first: the first that came, or the one with the next deadline."""

    FCFS = "fcfs"
    EDF = "edf"


class FailurePolicy(Word):
    """What happens to a request if its KV blocks do not arrive."""

    FAIL = "fail"
    RECOMPUTE = "recompute"


class PodSecurity(Word):
    """A level of the Pod Security Standards."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


class Exposure(Word):
    """Which of GKE's load balancers serves the Gateway."""

    EXTERNAL = "external"
    INTERNAL = "internal"


class FailureMode(Word):
    """What the gateway does with a request while the endpoint picker (EPP) does not answer."""

    FAIL_OPEN = "FailOpen"
    FAIL_CLOSE = "FailClose"


class Preset(Word):
    """Weights of the scores by which the EPP chooses a worker."""

    GUIDE = "guide"
    PREFIX_CACHE_AWARE = "prefix-cache-aware"
    LOAD_AWARE = "load-aware"


class SecurityLevel(Word):
    """Whether NetworkPolicies are made."""

    STANDARD = "standard"
    LOCKED = "locked"


class PullPolicy(Word):
    """When the kubelet asks the registry for an image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Role(Word):
    """What a worker does; the value of the pod label `llm-d.ai/role`, which the EPP's filters read."""

    PREFILL = "prefill"
    DECODE = "decode"


class VllmLogLevel(Word):
    """vLLM's `VLLM_LOGGING_LEVEL` (Python logging names)."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class ZapLogLevel(Word):
    """The routing sidecar's `--zap-log-level`."""

    DEBUG = "debug"
    INFO = "info"
    ERROR = "error"


class EnvoyLogLevel(Word):
    """Envoy's log levels, as the gateway takes them."""

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"
    OFF = "off"


class UcxLogLevel(Word):
    """UCX's `UCX_LOG_LEVEL` (ucx_info -cf, UCX 1.19)."""

    FATAL = "fatal"
    ERROR = "error"
    WARN = "warn"
    DIAG = "diag"
    INFO = "info"
    DEBUG = "debug"
    TRACE = "trace"
    REQ = "req"
    DATA = "data"
    ASYNC = "async"
    FUNC = "func"
    POLL = "poll"


class Capability(Word):
    """Linux capabilities (include/uapi/linux/capability.h, Linux 6.12)."""

    AUDIT_CONTROL = "AUDIT_CONTROL"
    AUDIT_READ = "AUDIT_READ"
    AUDIT_WRITE = "AUDIT_WRITE"
    BLOCK_SUSPEND = "BLOCK_SUSPEND"
    BPF = "BPF"
    CHECKPOINT_RESTORE = "CHECKPOINT_RESTORE"
    CHOWN = "CHOWN"
    DAC_OVERRIDE = "DAC_OVERRIDE"
    DAC_READ_SEARCH = "DAC_READ_SEARCH"
    FOWNER = "FOWNER"
    FSETID = "FSETID"
    IPC_LOCK = "IPC_LOCK"
    IPC_OWNER = "IPC_OWNER"
    KILL = "KILL"
    LEASE = "LEASE"
    LINUX_IMMUTABLE = "LINUX_IMMUTABLE"
    MAC_ADMIN = "MAC_ADMIN"
    MAC_OVERRIDE = "MAC_OVERRIDE"
    MKNOD = "MKNOD"
    NET_ADMIN = "NET_ADMIN"
    NET_BIND_SERVICE = "NET_BIND_SERVICE"
    NET_BROADCAST = "NET_BROADCAST"
    NET_RAW = "NET_RAW"
    PERFMON = "PERFMON"
    SETFCAP = "SETFCAP"
    SETGID = "SETGID"
    SETPCAP = "SETPCAP"
    SETUID = "SETUID"
    SYSLOG = "SYSLOG"
    SYS_ADMIN = "SYS_ADMIN"
    SYS_BOOT = "SYS_BOOT"
    SYS_CHROOT = "SYS_CHROOT"
    SYS_MODULE = "SYS_MODULE"
    SYS_NICE = "SYS_NICE"
    SYS_PACCT = "SYS_PACCT"
    SYS_PTRACE = "SYS_PTRACE"
    SYS_RAWIO = "SYS_RAWIO"
    SYS_RESOURCE = "SYS_RESOURCE"
    SYS_TIME = "SYS_TIME"
    SYS_TTY_CONFIG = "SYS_TTY_CONFIG"
    WAKE_ALARM = "WAKE_ALARM"


class LockedMemory(Word):
    """What lets RDMA lock memory: `ibv_reg_mr` needs RLIMIT_MEMLOCK or CAP_IPC_LOCK."""

    AUTO = "auto"
    CAPABILITY = "capability"
    NODE = "node"


class Effect(Word):
    """A taint's effect."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Operator(Word):
    """How a toleration matches a taint."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class HostPathType(Word):
    """What must be at a hostPath on the node."""

    FILE = "File"
    FILE_OR_CREATE = "FileOrCreate"
    DIRECTORY = "Directory"
    DIRECTORY_OR_CREATE = "DirectoryOrCreate"
    CHAR_DEVICE = "CharDevice"
    BLOCK_DEVICE = "BlockDevice"
    SOCKET = "Socket"


class Platform(StrEnum):
    """The managed Kubernetes of a cluster, where it decides what the cluster can have. It is no setting."""

    AKS = "AKS"
    CKS = "CoreWeave"
    DOKS = "DigitalOcean"
    EKS = "EKS"
    GKE = "GKE"
    OKE = "OKE"
    OPENSHIFT = "OpenShift"
