"""Descriptions of clusters that the sandbox simulates: their nodes and admission settings.

A description of `sandbox/clusters/` has a name: `CLUSTER=aws-efa` is `aws-efa.yaml` there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails

from sandbox.cluster.control_plane import Admission, PodSecurity
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home

GPU_RESOURCE = {"amd": "amd.com/gpu", "nvidia": "nvidia.com/gpu"}
"""GPU resource by `serving.accelerator`, for groups without a `gpuResource`."""

MOST_NODES = 250
"""Most nodes of one group: the addresses of one /24."""

MOST_GROUPS = 100
"""Most groups of one description: each has a /24 between the networks of pods and of Services."""

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
"""Path of the collection, by kind of admission policy."""


def _as_text(value: object) -> object:
    """Turn `192` into "192", because YAML reads it as a number."""
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
    """Nodes with the same properties."""

    name: Annotated[
        str | None, _matching(NAME), Field(description="lower-case letters, digits and dashes, 40 at most")
    ] = None
    """Prefix of the nodes' names: `<name>-0`, …; None = the stack's accelerator."""
    count: Annotated[int, Field(ge=1, le=MOST_NODES, description=f"a number of nodes from 1 to {MOST_NODES}")]
    gpus: Annotated[int, Field(ge=0, le=64, description="the GPUs of one node, such as 8")] = 0
    """GPUs of one node."""
    gpu_resource: Annotated[
        str | None,
        _matching(RESOURCE),
        Field(alias="gpuResource", description="the device plugin's resource, such as nvidia.com/gpu"),
    ] = None
    """Resource of the GPUs; None = that of the stack's accelerator."""
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
    """The name of an object, and any other metadata."""

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
        """The object's path in the API."""
        return f"{POLICIES[self.kind]}/{self.metadata.name}"

    @property
    def manifest(self) -> dict[str, Any]:
        """The object as in the file."""
        return self.model_dump(by_alias=True)


class Description(_Part):
    """A cluster: its nodes and its admission settings."""

    nodes: Annotated[
        tuple[NodeGroup, ...],
        Field(min_length=1, max_length=MOST_GROUPS, strict=False, description="a list of node groups"),
    ]
    pod_security: Annotated[
        PodSecurity,
        Field(alias="podSecurity", strict=False, description="one of privileged, baseline, restricted"),
    ] = PodSecurity.PRIVILEGED
    """Level of namespaces without a label; `privileged` is Kubernetes' default."""
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
        """The settings for the start of the control plane."""
        return Admission(self.pod_security, self.extended_resource_toleration)

    def for_accelerator(self, accelerator: str) -> tuple[NodeGroup, ...]:
        """Return the node groups, with names and GPU resources from the stack's accelerator.

        Groups that depend on an unknown accelerator are left out.
        """
        resource = GPU_RESOURCE.get(accelerator)
        filled = []
        for group in self.nodes:
            unsaid = {} if group.gpu_resource or not group.gpus else {"gpu_resource": resource}
            named = {} if group.name else {"name": accelerator}
            filled.append(group.model_copy(update={**unsaid, **named}))
        return tuple(group for group in filled if group.gpu_resource or not group.gpus)


SHIPPED = CHECKOUT / "sandbox" / "clusters"
"""Folder of the named descriptions."""

DEFAULT = "default"
"""The default description: two 8-GPU nodes of the stack's accelerator."""

_PARTS: dict[str, type[BaseModel]] = {
    "nodes": NodeGroup,
    "taints": Taint,
    "admissionPolicies": Policy,
    "metadata": Metadata,
}


def find(chosen: str) -> Path:
    """Return the file of a description, by its name, or by a path with a `/` or a suffix.

    Raises `SandboxError` if the file does not exist.
    """
    if "/" in chosen or chosen.endswith((".yaml", ".yml")):
        file = Path(chosen).expanduser().resolve()
        if not file.is_file():
            raise SandboxError(f"CLUSTER={chosen}: there is no file {file}")
        return file
    file = SHIPPED / f"{chosen}.yaml"
    if chosen not in names():
        near = get_close_matches(chosen, names(), n=1)
        meant = f"Did you mean CLUSTER={near[0]}? " if near else ""
        raise SandboxError(
            f"CLUSTER={chosen}: there is no description of that name. {meant}Names: {', '.join(names())}; "
            "a file of your own is given with its suffix, such as CLUSTER=my-cluster.yaml"
        )
    return file


@dataclass(frozen=True)
class Choice:
    """The description that a command uses."""

    name: str
    """Name or path of the description."""
    description: Description
    given: bool = False
    """Whether this command named the description."""
    chosen: bool = False
    """Whether this command or an earlier one named the description; otherwise it is the default."""

    @property
    def label(self) -> str:
        """The description's name as a label value."""
        return re.sub(r"[^A-Za-z0-9-]+", "-", Path(self.name).stem)[:63].strip("-") or "file"


def choose(home: Home, given: str | None) -> Choice:
    """Return the description that this command names, else the one that the sandbox keeps, else the default.

    Raises `SandboxError` if it is missing or wrong.
    """
    remembered = home.description.read_text() if home.description.exists() else None
    try:
        file = find(given or remembered or DEFAULT)
    except SandboxError as error:
        if given:
            raise
        raise SandboxError(
            f"the sandbox {home.name!r} remembers a description that is gone. {error}\n"
            f"Choose another with CLUSTER=…; CLUSTER={DEFAULT} is the default"
        ) from None
    name = file.stem if file.parent == SHIPPED else str(file)
    return Choice(name, read(file), given=bool(given), chosen=bool(given or remembered))


def remember(home: Home, choice: Choice) -> None:
    """Keep the description that a command named, for later commands on this sandbox."""
    if choice.chosen:
        home.description.write_text(choice.name)


def default() -> Choice:
    """Return the default description."""
    return Choice(DEFAULT, read(find(DEFAULT)))


def names() -> list[str]:
    """Return the names of the descriptions in the repository."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def read(file: Path) -> Description:
    """Read a description. Raises `SandboxError` with all problems, each with its place and remedy."""
    try:
        document = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SandboxError(f"the cluster description {file} isn't YAML: {error}") from None
    try:
        return Description.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [_problem(detail, document) for detail in details if not _follows(detail, details)]
    many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    text = "\n\n".join(f"{number}. {problem}" for number, problem in enumerate(problems, 1))
    raise SandboxError(f"the cluster description {file} cannot be used: {many}. Nothing was started.\n\n{text}")


def _follows(detail: ErrorDetails, others: Sequence[ErrorDetails]) -> bool:
    """Whether an error `too_short` of a list only follows from errors of its items."""
    within = [each for each in others if each["loc"][:-1] and each["loc"][: len(detail["loc"])] == detail["loc"]]
    return detail["type"] == "too_short" and len(within) > 1


def _problem(detail: ErrorDetails, document: object) -> str:
    steps = [step for step in detail["loc"] if step != "[key]"]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    known = _fields(steps[:-1])
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(str(steps[-1]), known, n=1)
        wrong = f"is not a setting; did you mean {near[0]}?" if near else "is not a setting"
        return _said(path, wrong, f"rename or delete it; settings here: {', '.join(known)}")
    if detail["type"] == "missing":
        return _said(path, "is missing", f"write {_what(steps)}")
    if not steps and not isinstance(document, dict):
        return _said("the file", "is not a mapping", "begin with `nodes:` and a list of node groups")
    message = detail["msg"].removeprefix("Value error, ")
    value = "" if isinstance(detail["input"], dict | list) else f" = {detail['input']!r}"
    if detail["type"] == "value_error":
        return _said(path or "nodes", message, "give each node group a name of its own, beside `count:`")
    if detail["type"] == "string_pattern_mismatch":
        message = "has characters that Kubernetes does not take here"
    return _said(f"{path}{value}", message, f"write {_what(steps)}")


def _said(where: str, wrong: str, change: str) -> str:
    return f"{where}\n  wrong:   {wrong}\n  change:  {change}"


def _model(steps: Sequence[int | str]) -> type[BaseModel] | None:
    """Return the model at a path; None for a plain value."""
    model: type[BaseModel] | None = Description
    for step in steps:
        if isinstance(step, str):
            model = _PARTS.get(step)
    return model


def _fields(steps: Sequence[int | str]) -> list[str]:
    model = _model(steps)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _what(steps: Sequence[int | str]) -> str:
    """Return the description of a path: that of the innermost field that has one."""
    for end in range(len(steps), 0, -1):
        model, step = _model(steps[: end - 1]), steps[end - 1]
        for name, field in model.model_fields.items() if model else ():
            if step in (name, field.alias):
                options = cast("tuple[str, ...]", getattr(field.annotation, "__args__", ()))
                return field.description or f"one of {', '.join(map(str, options))}"
    return "a mapping"


def of_infrastructure(serving: Mapping[str, Any]) -> str | None:
    """Return the name of the description of a stack's infrastructure; None if there is none."""
    infrastructure = serving.get("infrastructure")
    return infrastructure if isinstance(infrastructure, str) and infrastructure in names() else None
