"""Diff: which fields changed, and whether that means a new object."""

from typing import Any

from pulumi.runtime.proto import provider_pb2 as pb

from sandbox.engine.kubernetes import annotations, kubeconfig, paths
from sandbox.engine.kubernetes.checkpoint import live_part
from sandbox.engine.kubernetes.diff import Difference, differences, inputs_as_lived
from sandbox.engine.kubernetes.replacement import replacing_paths
from sandbox.engine.kubernetes.settings import IDENTITY, Settings
from sandbox.engine.kubernetes.values import plain

_KINDS = {
    ("add", False): pb.PropertyDiff.ADD,
    ("add", True): pb.PropertyDiff.ADD_REPLACE,
    ("delete", False): pb.PropertyDiff.DELETE,
    ("delete", True): pb.PropertyDiff.DELETE_REPLACE,
    ("update", False): pb.PropertyDiff.UPDATE,
    ("update", True): pb.PropertyDiff.UPDATE_REPLACE,
}


def compare(
    old: dict[str, Any], state: dict[str, Any], new: dict[str, Any], *, ignored: list[str], mutable_kinds: set[str]
) -> pb.DiffResponse:
    """Compare the program's new inputs with the last ones as they live on the API server, without asking it."""
    base = inputs_as_lived(old, live_part(state)) if state.get("metadata") else old
    ignore = [paths.parse(path) for path in ignored]
    found = [d for d in differences(base, new) if not any(paths.covers(path, d.path) for path in ignore)]
    from_program = {difference.path for difference in differences(old, new)}
    rules = replacing_paths(new, mutable_kinds)

    detailed: dict[str, pb.PropertyDiff] = {}
    replaces: list[str] = []
    for difference in found:
        replacing = any(paths.covers(rule, difference.path) for rule in rules) or _holds(difference, rules)
        path = paths.text(difference.path)
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


def _holds(difference: Difference, rules: list[paths.Path]) -> bool:
    """Whether a whole branch came or went that has an immutable field in it."""
    return difference.change != "update" and any(paths.covers(difference.path, rule) for rule in rules)


def _same_name(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Both objects can't exist at once: the program fixes the name and doesn't change it."""
    before, after = old.get("metadata") or {}, new.get("metadata") or {}
    fixed = not annotations.is_true(new, annotations.AUTONAMED)
    return fixed and all(before.get(key) == after.get(key) for key in ("name", "namespace"))


def compare_config(old: dict[str, Any], new: dict[str, Any]) -> pb.DiffResponse:
    """A provider that means another cluster replaces everything that it manages; other settings change in place."""
    changed = sorted(key for key in {*old, *new} if plain(old.get(key)) != plain(new.get(key)))
    replaces = [key for key in changed if key in IDENTITY] if _other_cluster(plain(old), plain(new)) else []
    changes = pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE
    return pb.DiffResponse(changes=changes, diffs=changed, replaces=replaces)


def _other_cluster(old: dict[str, Any], new: dict[str, Any]) -> bool:
    if old.get("clusterIdentifier") and new.get("clusterIdentifier"):
        return bool(old["clusterIdentifier"] != new["clusterIdentifier"])
    if all(old.get(key) == new.get(key) for key in IDENTITY if key != "clusterIdentifier"):
        return False
    try:
        return kubeconfig.target(Settings.of(old)).server != kubeconfig.target(Settings.of(new)).server
    except kubeconfig.Unusable:
        return True  # can't be told: the careful answer is the one that a preview shows
