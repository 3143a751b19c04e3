"""Where the pods are in the kinds that make pods."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policy.rule import Object

ENDLESS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController")
"""Kinds with pods that run until they are deleted."""

_TEMPLATES = {**dict.fromkeys(ENDLESS, ("spec", "template")), "Job": ("spec", "template"), "Pod": ()}
_TEMPLATES["CronJob"] = ("spec", "jobTemplate", "spec", "template")


@dataclass(frozen=True)
class Container:
    """One container and where it stands."""

    place: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class Pods:
    """The pods that an object makes."""

    place: str
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    namespace: str

    def containers(self, *kinds: str) -> Iterator[Container]:
        """Their containers; `kinds` are keys of the spec, all unless said."""
        for kind in kinds or ("initContainers", "containers", "ephemeralContainers"):
            for each in self.spec.get(kind) or []:
                yield Container(f"{self.place}.{kind}[{each['name']}]", each)

    @property
    def account(self) -> str:
        return str(self.spec.get("serviceAccountName") or "default")


def pods(subject: Object) -> Iterator[Pods]:
    """The pods of an object: one template, or none."""
    path = _TEMPLATES.get(str(subject.get("kind")))
    if path is None:
        return
    template: Mapping[str, Any] = subject
    for key in path:
        template = template[key]
    meta = subject.get("metadata") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    yield Pods(".".join([*path, "spec"]), template["spec"], labels, str(meta.get("namespace") or "default"))
