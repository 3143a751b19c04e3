"""Security settings: NetworkPolicies, Pod Security, API key, users and locked memory."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from components.config.fields import AddressRange, LabelKey, LabelValue, ObjectName, null_word
from components.config.strict import Strict
from components.config.vocabulary import LockedMemory, PodSecurity, SecurityLevel


class ApiKey(Strict):
    """A key of a Secret in the stack's namespace, which must exist."""

    secret: ObjectName
    """The Secret."""
    key: str = Field(default="VLLM_API_KEY", pattern=r"^[-._a-zA-Z0-9]{1,253}$")
    """Key of the Secret that holds the API key."""


class Security(Strict):
    """Network connections that the pods accept and open, and their security contexts (security.md)."""

    level: SecurityLevel = SecurityLevel.STANDARD
    """`locked`: NetworkPolicies let through what serving needs and nothing else, where the cluster's network plugin
    enforces them; `standard`: none are made."""
    monitoring_namespace: Annotated[dict[LabelKey, LabelValue] | None, BeforeValidator(null_word)] = None
    """locked only: labels of the namespaces that may read metrics; default: the guide's `llm-d-monitoring`, and with
    gateway.provider gke that of Google's collector."""
    pod_security: Annotated[PodSecurity | None, BeforeValidator(null_word)] = None
    """Level of Pod Security that the pods are made for, and that a namespace which the stack creates enforces by its
    label. `restricted`: vLLM and the gateway's proxies get the security context that this level demands. Default:
    `privileged` where the workers need it, else no label. null: no label, the cluster's default holds."""
    api_key: ApiKey | None = None
    """The API key that vLLM of both tiers asks of every request below `/v1`, as `Authorization: Bearer …`
    (security.md). Unset: none. Probes ask `/health`, which needs no key. A changed Secret reaches no running pod."""
    run_as_user: Annotated[int, Field(ge=0)] | None = None
    """User of vLLM's process. Default: root where the infrastructure says so, else the image's
    (accelerators.md). 0 gives effect to `capabilities` such as IPC_LOCK on images that do not run as root."""
    locked_memory: LockedMemory = LockedMemory.AUTO
    """What lets RDMA lock memory. `capability`: IPC_LOCK, with vLLM as root where the image's user is another. `node`:
    the limit of the nodes (LimitMEMLOCK=infinity of their container runtime). `auto`: what the infrastructure demands,
    else IPC_LOCK for workers with an RDMA device and an image that runs as root, and the limit of the nodes for all
    others. A tier's own list of `capabilities` takes precedence over `auto`."""
    fs_group: Annotated[int | None, Field(ge=0), BeforeValidator(null_word)] = None
    """Group that the workers' volumes belong to, where the storage supports it. Default: where vLLM downloads weights
    to `model.claim`, that of the image's user unless that is root (accelerators.md) or OpenShift chooses it
    (gateway.provider data-science-gateway); null: none."""
    gateway_ranges: list[AddressRange] = []
    """locked only: addresses besides the Gateway's own pods that its requests come from, such as 10.129.0.0/23: on gke
    the VPC's proxy-only subnet, elsewhere the nodes of a proxy on the host's network."""
