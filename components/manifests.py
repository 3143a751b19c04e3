"""A Kubernetes object as data, and how Pulumi registers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
"""Annotation: Pulumi does not wait for the object's readiness."""


class Stage(IntEnum):
    """When an object of the model gateway is made; each stage waits for all that the one before it waited for."""

    FIRST = 0
    """At once. The workers wait for those of their generation."""
    PROXIES = 1
    """After the workers."""
    TRIAL = 2
    """Asks the generation before the switch."""
    SWITCH = 3
    """Leads requests to the generation."""
    SETTLE = 4
    """After the switch. The former generation is deleted after it."""


Fields = dict[str, Any]
"""Fields of an object, or of a part of one, in the API's spelling. The SDK's typed arguments are not used: their import
takes longer than the rest of the program. The API server checks the names of the fields (docs/decisions.md)."""


def given(fields: Mapping[str, Any]) -> Fields:
    """The fields that are set."""
    return {key: value for key, value in fields.items() if value is not None}


RESTRICTED: Mapping[str, Any] = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Security context of a container: what Pod Security's level `restricted` demands. It names no user, because OpenShift
refuses a user outside the range of the namespace; the kubelet refuses an image that runs as root."""

CONFINED: Mapping[str, Any] = {**RESTRICTED, "readOnlyRootFilesystem": True}


@dataclass(frozen=True)
class Manifest:
    """One object. `body` holds the fields beside apiVersion, kind and metadata, in the API's spelling."""

    resource: str
    """Name of the Pulumi resource, after the component's name and a hyphen."""
    api_version: str
    kind: str
    name: str
    namespace: str | None
    """None: cluster-scoped."""
    labels: Mapping[str, str]
    body: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    after: str | None = None
    """`resource` of an object that must exist first. It stands earlier in the same list."""
    formerly: str | None = None
    """`resource` of the object with the same kind and name under another setting: it becomes this one in place. As two
    resources, the new one would be created before the old one is deleted, and the API server has one of a name."""
    replaced_on: str | None = None
    """A change of this field deletes the object and makes it anew; None: every change is an update in place."""
    minutes: int | None = None
    """How long Pulumi waits for it; None: as long as the plugin does by default."""
    stage: Stage = Stage.FIRST
    generation: str | None = None
    """Word of the generation that it belongs to; None: it belongs to the stack."""
    address: Callable[[Any], str] | None = None
    """Reads the gateway's address from the object's status; None: the object has no address."""

    @property
    def document(self) -> dict[str, Any]:
        metadata = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
        }
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {key: value for key, value in metadata.items() if value},
            **self.body,
        }
