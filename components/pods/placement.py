"""Where pods may run."""

from collections.abc import Mapping
from typing import Any

from components.args import PlacementArgs
from components.manifests import Fields

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def affinity(placement: PlacementArgs) -> Mapping[str, Any] | None:
    """The user's affinity, and in host-network mode the rule that both roles never share a node.

    The rule is explicit because older schedulers do not count the host ports of native sidecars.
    """
    rules = dict(placement.affinity)
    if placement.apart_from:
        apart = {"labelSelector": {"matchLabels": placement.apart_from}, "topologyKey": "kubernetes.io/hostname"}
        given = rules.get("podAntiAffinity", {})
        rules["podAntiAffinity"] = {**given, REQUIRED: [*given.get(REQUIRED, []), apart]}
    return rules or None


def tolerations(placement: PlacementArgs) -> list[Fields] | None:
    """Taints that the pods accept."""
    return [each.document for each in placement.tolerations] or None


def pull_secrets(names: list[str]) -> list[Fields] | None:
    """Pull secrets of the pod."""
    return [{"name": name} for name in names] or None
