"""The owner of an object that exists under a name of the stack."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from components.names import INSTANCE, PART_OF
from preflight.answers import Object
from preflight.declared import Declared

HELM = "meta.helm.sh/release-name"
PLUGIN = "pulumi-kubernetes"


class Owner(StrEnum):
    """Kinds of owners."""

    OTHER_INSTALL = "another install of this program"
    HELM = "helm"
    UNRECORDED = "an interrupted run, or another Pulumi stack"
    UNKNOWN = "another owner"


@dataclass(frozen=True)
class Found:
    """An object under a name of the stack that is not in its state."""

    declared: Declared
    live: Object

    @property
    def metadata(self) -> Mapping[str, Any]:
        return dict(self.live["metadata"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.metadata.get("labels") or {}

    @property
    def release(self) -> str | None:
        """`namespace/name` of the helm release that made it."""
        annotations = self.metadata.get("annotations") or {}
        if HELM not in annotations:
            return None
        namespace = annotations.get("meta.helm.sh/release-namespace") or self.metadata.get("namespace", "")
        return f"{namespace}/{annotations[HELM]}"

    @property
    def managers(self) -> list[str]:
        """Who wrote its fields, without those that write status only."""
        entries = self.metadata.get("managedFields") or []
        return sorted({each["manager"] for each in entries if not each.get("subresource")})

    def kind_of_owner(self, own: Collection[str]) -> Owner:
        """The kind of its owner; `own` are the instance labels of this install."""
        labelled = PART_OF.items() <= self.labels.items()
        if labelled and INSTANCE in self.labels and self.labels[INSTANCE] not in own:
            return Owner.OTHER_INSTALL
        if self.release:
            return Owner.HELM
        return Owner.UNRECORDED if labelled and PLUGIN in self.managers else Owner.UNKNOWN

    def owner(self, own: Collection[str]) -> str:
        kind = self.kind_of_owner(own)
        if kind is Owner.OTHER_INSTALL:
            return f"the install with postfix {self.labels[INSTANCE]}"
        if kind is Owner.HELM:
            return f"helm release {self.release}"
        written = f"written by {', '.join(self.managers) or 'an unknown manager'}"
        return f"{kind.value} ({written})" if kind is Owner.UNRECORDED else written
