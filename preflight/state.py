"""What the stack's state says: which objects are its own already, and which cluster they are in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

TARGET = "llm-d-pd:index:TargetCluster"
"""Type of the component that remembers the cluster (`components/target_cluster.py`)."""


@dataclass(frozen=True)
class State:
    """The stack before this run."""

    known: bool = False
    cluster: str = ""
    """UID of kube-system where it was deployed; empty: not deployed, or by a version that did not remember it."""
    place: str = ""
    """Context and server then, as the outputs have them."""
    release: str = ""
    """The release that it was deployed with, as the outputs have it; empty: not deployed."""
    uids: Mapping[str, str] = field(default_factory=dict)
    """UID of each object, by `Kind/namespace/name`."""
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the program said of each object, as the plugin keeps it, by the same key."""
    ordered: bool = False
    """Whether it has the dependencies of the generation's objects, or has no object yet that could lack them."""

    @classmethod
    def of(cls, resources: Iterable[tuple[str, Any]] | None) -> "State":
        """Read (type, outputs) of all resources; outputs that are no object are skipped. None: no state can be read."""
        if resources is None:
            return cls()
        cluster, ordered, place, release, uids, inputs = "", False, "", "", {}, {}
        for kind, outputs in resources:
            if not isinstance(outputs, Mapping):
                continue
            if kind == TARGET:
                cluster, ordered = str(outputs.get("uid") or ""), outputs.get("ordered") is True
            if kind == "pulumi:pulumi:Stack":
                place = f"context {outputs.get('context')}, server {outputs.get('server')}" if outputs else ""
                release = str(outputs.get("release") or "")
            metadata = outputs.get("metadata")
            if kind.startswith("kubernetes:") and isinstance(metadata, Mapping) and metadata.get("uid"):
                key = f"{kind.rpartition(':')[2]}/{metadata.get('namespace') or ''}/{metadata.get('name')}"
                uids[key] = str(metadata["uid"])
                if isinstance(said := outputs.get("__inputs"), Mapping):
                    inputs[key] = said
        return cls(True, cluster, place, release, uids, inputs, ordered or not uids)
