"""A cluster description: the nodes and the admission settings of the cluster that the sandbox stands for."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from sandbox.cluster.admission import Admission, PodSecurity

GPU_RESOURCE = {"amd": "amd.com/gpu", "nvidia": "nvidia.com/gpu"}
"""GPU resource of `serving.accelerator`: of nodes in a group without a `gpuResource`."""

MOST_NODES = 250
"""Nodes of one group: the addresses of one /24."""

MOST_GROUPS = 100
"""Groups of one description: each has a /24 between those of pods and of Services."""

NAME = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"
LABEL = r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
LABEL_VALUE = r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?"
RESOURCE = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
QUANTITY = r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?"


_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICIES = {
    "ValidatingAdmissionPolicy": f"{_ADMISSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{_ADMISSION}/validatingadmissionpolicybindings",
}
"""Path of the collection of each kind of admission policy."""


def _as_text(value: object) -> object:
    """Take `192` for "192": YAML reads plain numbers as numbers."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _matching(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=f"^{pattern}$")


Quantity = Annotated[str, BeforeValidator(_as_text), _matching(QUANTITY)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class Taint(_Part):
    """A taint of a node."""

    key: Annotated[str, _matching(LABEL), Field(description="the key of a taint, such as nvidia.com/gpu")]
    value: Annotated[str, _matching(LABEL_VALUE), Field(description='text; write "true" with quotes')] = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class NodeGroup(_Part):
    """Nodes that are alike."""

    name: Annotated[
        str | None, _matching(NAME), Field(description="lower-case letters, digits and dashes, 40 at most")
    ] = None
    """What the nodes are called: `<name>-0`, …; None: as the stack's accelerator."""
    count: Annotated[int, Field(ge=1, le=MOST_NODES, description=f"a number of nodes from 1 to {MOST_NODES}")]
    gpus: Annotated[int, Field(ge=0, le=64, description="the GPUs of one node, such as 8")] = 0
    """GPUs of one node."""
    gpu_resource: Annotated[
        str | None,
        _matching(RESOURCE),
        Field(alias="gpuResource", description="the device plugin's resource, such as nvidia.com/gpu"),
    ] = None
    """Resource of the GPUs; None: of the stack's accelerator."""
    rdma: dict[
        Annotated[str, _matching(RESOURCE)], Annotated[int, Field(ge=1, description="how many one node offers")]
    ] = Field(default={}, description="resources and their numbers, such as {rdma/ib: 63}")
    """RDMA resources that one node offers."""
    cpu: Annotated[Quantity, Field(description="the CPUs of one node, such as 192")]
    memory: Annotated[Quantity, Field(description="the memory of one node, such as 2Ti")]
    disk: Annotated[Quantity, Field(description="the ephemeral storage of one node, such as 28Ti")]
    pods: Annotated[int, Field(ge=1, description="how many pods one node takes, such as 110")] = 110
    labels: dict[Annotated[str, _matching(LABEL)], Annotated[str, _matching(LABEL_VALUE)]] = Field(
        default={}, description='labels with text values; write "true" with quotes'
    )
    taints: tuple[Taint, ...] = Field(default=(), strict=False, description="a list of taints with key and effect")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.name is None and not self.gpus:
            raise ValueError("has neither GPUs nor a name: only nodes with GPUs can be called after an accelerator")
        if self.name is None and self.gpu_resource:
            raise ValueError("has a gpuResource and no name: only GPUs of the stack's accelerator give a name")
        return self


class Metadata(BaseModel):
    """The name of an object, and what else its metadata have."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Annotated[str, Field(min_length=1, description="the object's name")]


class Policy(BaseModel):
    """An admission policy as a manifest; the API server checks its spec."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    api_version: Annotated[Literal["admissionregistration.k8s.io/v1"], Field(alias="apiVersion")]
    kind: Literal["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    metadata: Annotated[Metadata, Field(description="a mapping with the object's name")]

    @property
    def path(self) -> str:
        """Where the API server keeps it."""
        return f"{POLICIES[self.kind]}/{self.metadata.name}"

    @property
    def manifest(self) -> dict[str, Any]:
        """The object as the file has it."""
        return self.model_dump(by_alias=True)


class Description(_Part):
    """A cluster, as its nodes and its admission settings."""

    nodes: Annotated[
        tuple[NodeGroup, ...],
        Field(min_length=1, max_length=MOST_GROUPS, strict=False, description="a list of node groups"),
    ]
    pod_security: Annotated[
        PodSecurity,
        Field(alias="podSecurity", strict=False, description="one of privileged, baseline, restricted"),
    ] = PodSecurity.PRIVILEGED
    """Level that holds in namespaces without a label of their own; `privileged` is Kubernetes' default."""
    extended_resource_toleration: Annotated[
        bool, Field(alias="extendedResourceToleration", description="true or false")
    ] = False
    """Whether the admission plugin ExtendedResourceToleration runs: pods that ask for a device tolerate taints with
    the device's name. It is off by default in kube-apiserver."""
    admission_policies: Annotated[
        tuple[Policy, ...], Field(alias="admissionPolicies", strict=False, description="a list of manifests")
    ] = ()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        names = [group.name for group in self.nodes]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"node groups share a name: {', '.join(sorted(name or 'none' for name in twice))}")
        vendors = GPU_RESOURCE.keys() & set(names) if None in names else set()
        if vendors:
            raise ValueError(f"a node group is called {', '.join(vendors)}, as the group without a name may be")
        return self

    @property
    def admission(self) -> Admission:
        """What a start of the control plane needs."""
        return Admission(self.pod_security, self.extended_resource_toleration)

    def for_accelerator(self, accelerator: str) -> tuple[NodeGroup, ...]:
        """The node groups, with the names and GPU resources that depend on the stack's accelerator filled in.

        Without GPUs of a known vendor there is no such group.
        """
        resource = GPU_RESOURCE.get(accelerator)
        filled = []
        for group in self.nodes:
            unsaid = {} if group.gpu_resource or not group.gpus else {"gpu_resource": resource}
            named = {} if group.name else {"name": accelerator}
            filled.append(group.model_copy(update={**unsaid, **named}))
        return tuple(group for group in filled if group.gpu_resource or not group.gpus)
