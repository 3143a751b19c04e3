"""Diff: which fields changed, and whether that means a new object."""

import json
import re
from typing import Any

from pulumi.runtime.proto import provider_pb2 as pb

from sandbox.engine.kubernetes.checkpoint import live_part
from sandbox.engine.kubernetes.diff import Path, differences, inputs_as_lived
from sandbox.engine.kubernetes.values import plain

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_IDENTITY: tuple[Path, ...] = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))
_IMMUTABLE: dict[tuple[str, str], Path] = {
    ("v1", "Secret"): ("type",),
    ("v1", "Service"): ("spec", "clusterIP"),
    ("apps/v1", "Deployment"): ("spec", "selector"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("roleRef",),
}
"""The field that the API server refuses to change, of the kinds that the program makes."""

_KINDS = {
    ("add", False): pb.PropertyDiff.ADD,
    ("add", True): pb.PropertyDiff.ADD_REPLACE,
    ("delete", False): pb.PropertyDiff.DELETE,
    ("delete", True): pb.PropertyDiff.DELETE_REPLACE,
    ("update", False): pb.PropertyDiff.UPDATE,
    ("update", True): pb.PropertyDiff.UPDATE_REPLACE,
}


def compare(old: dict[str, Any], state: dict[str, Any], new: dict[str, Any]) -> pb.DiffResponse:
    """Compare the program's new inputs with the last ones as they live on the API server, without asking it."""
    base = inputs_as_lived(old, live_part(state)) if state.get("metadata") else old
    found = list(differences(base, new))
    from_program = {difference.path for difference in differences(old, new)}
    fixed = _IMMUTABLE.get((new["apiVersion"], new["kind"]))
    rules = (*_IDENTITY, fixed) if fixed else _IDENTITY

    detailed: dict[str, pb.PropertyDiff] = {}
    replaces: list[str] = []
    for difference in found:
        replacing = any(_one_within_the_other(rule, difference.path) for rule in rules)
        path = _text(difference.path)
        kind = _KINDS[difference.change, replacing]
        detailed[path] = pb.PropertyDiff(kind=kind, inputDiff=difference.path in from_program)
        if replacing:
            replaces.append(path)
    return pb.DiffResponse(
        changes=pb.DiffResponse.DIFF_SOME if found else pb.DiffResponse.DIFF_NONE,
        diffs=sorted({str(difference.path[0]) for difference in found}),
        detailedDiff=detailed,
        hasDetailedDiff=True,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and _same_name(old, new),
    )


def compare_config(old: dict[str, Any], new: dict[str, Any]) -> pb.DiffResponse:
    """Another identifier of the cluster replaces every object; other settings change in place."""
    before, after = plain(old), plain(new)
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    identifier = "clusterIdentifier"
    replaces = [identifier] if identifier in changed and before.get(identifier) and after.get(identifier) else []
    changes = pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE
    return pb.DiffResponse(changes=changes, diffs=changed, replaces=replaces)


def _one_within_the_other(one: Path, other: Path) -> bool:
    return all(a == b for a, b in zip(one, other, strict=False))


def _same_name(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Both objects can't exist at once."""
    before, after = old.get("metadata") or {}, new.get("metadata") or {}
    return all(before.get(key) == after.get(key) for key in ("name", "namespace"))


def _text(path: Path) -> str:
    """Write a path as the engine does: `spec.containers[0].image`, `metadata.labels["a/b"]`."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        elif _PLAIN.match(part):
            written += f".{part}" if written else part
        else:
            written += f"[{json.dumps(part)}]"
    return written
