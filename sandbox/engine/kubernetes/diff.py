"""Finds changed fields, and changes that need a new object.

It compares the program's new inputs with the live values of the last inputs. Only fields that the program sets take
part, so the server's defaults never appear. Different spellings of the same value (`1000m` and `1`, an empty text and
none) count as equal.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pulumi.runtime.proto import provider_pb2 as pb

from components.quantity import amount
from sandbox.engine.kubernetes.state import UNKNOWN, live_part, plain

Path = tuple[str | int, ...]
Change = Literal["add", "delete", "update"]


@dataclass(frozen=True)
class Difference:
    """One changed field."""

    path: Path
    change: Change


def differences(old: Any, new: Any, path: Path = ()) -> Iterator[Difference]:
    """Return the smallest changed fields; an added or removed list or mapping is one difference."""
    if same(old, new, path):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _member((*path, key), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from _member((*path, index), before, after)
    else:
        yield Difference(path, "update")


def _member(path: Path, old: Any, new: Any) -> Iterator[Difference]:
    if old is None or new is None:
        if not same(old, new, path):
            yield Difference(path, "add" if old is None else "delete")
    else:
        yield from differences(old, new, path)


def same(old: Any, new: Any, path: Path) -> bool:
    """Whether both values mean the same to the API server at this path."""
    if old is UNKNOWN or new is UNKNOWN:
        return old is new
    if isinstance(old, dict) and isinstance(new, dict):
        return all(same(old.get(key), new.get(key), (*path, key)) for key in {*old, *new})
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(
            same(a, b, (*path, i)) for i, (a, b) in enumerate(zip(old, new, strict=True))
        )
    if type(old) is type(new) and old == new:
        return True
    return _is_quantity(path) and _same_quantity(str(old), str(new))


_QUANTITY_PARENTS = {"limits", "requests", "capacity", "hard", "overhead"}
_QUANTITY_FIELDS = {"sizeLimit"}


def _is_quantity(path: Path) -> bool:
    return bool(path) and (path[-1] in _QUANTITY_FIELDS or (len(path) > 1 and path[-2] in _QUANTITY_PARENTS))


def _same_quantity(old: str, new: str) -> bool:
    try:
        return amount(old) == amount(new)
    except ValueError:
        return False


def as_lived(inputs: Any, live: Any, path: Path = ()) -> Any:
    """Return the program's inputs with their values in the live object; equal values keep the program's spelling.

    Fields that other managers added are left out. Removed and altered fields differ in the result.
    """
    if isinstance(inputs, dict) and isinstance(live, dict):
        pairs = {key: as_lived(value, live.get(key), (*path, key)) for key, value in inputs.items()}
        return {key: value for key, value in pairs.items() if value is not None}
    if isinstance(inputs, list) and isinstance(live, list):
        partners = _partners(inputs, live)
        if partners is None:
            return live
        return [as_lived(item, other, (*path, i)) for i, (item, other) in enumerate(zip(inputs, partners, strict=True))]
    return inputs if same(inputs, live, path) or (live is None and _left_out(inputs, path)) else live


_MAPS = {"labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData", "binaryData"}


def _left_out(value: Any, path: Path) -> bool:
    """Whether Kubernetes omits such a value when it writes an object; it keeps entries of a map."""
    return not value and (len(path) < 2 or path[-2] not in _MAPS)


def _partners(inputs: list[Any], live: list[Any]) -> list[Any] | None:
    """Return the live item of each input item: by name if all have one, else by position; None if unknown."""
    if inputs and all(isinstance(item, dict) and "name" in item for item in [*inputs, *live]):
        by_name = {item["name"]: item for item in live}
        found = [by_name.get(item["name"]) for item in inputs]
        return found if all(item is not None for item in found) else None
    return live if len(inputs) == len(live) else None


def inputs_as_lived(inputs: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """`as_lived` for a whole object. The server returns a Secret's `stringData` only as encoded `data`."""
    shown = dict(live)
    if inputs.get("kind") == "Secret" and "stringData" in inputs:
        shown["stringData"] = {key: _decoded(value) for key, value in (live.get("data") or {}).items()}
    lived: dict[str, Any] = as_lived(inputs, shown)
    return lived


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError):
        return value


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_IDENTITY: tuple[Path, ...] = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))
_IMMUTABLE: dict[tuple[str, str], Path] = {
    ("v1", "Secret"): ("type",),
    ("v1", "Service"): ("spec", "clusterIP"),
    ("apps/v1", "Deployment"): ("spec", "selector"),
    ("batch/v1", "Job"): ("spec", "template"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("roleRef",),
}
"""Immutable fields of the kinds that the program makes."""

_KINDS = {
    ("add", False): pb.PropertyDiff.ADD,
    ("add", True): pb.PropertyDiff.ADD_REPLACE,
    ("delete", False): pb.PropertyDiff.DELETE,
    ("delete", True): pb.PropertyDiff.DELETE_REPLACE,
    ("update", False): pb.PropertyDiff.UPDATE,
    ("update", True): pb.PropertyDiff.UPDATE_REPLACE,
}


def compare(
    old: dict[str, Any], state: dict[str, Any], new: dict[str, Any], ignored: Sequence[str] = ()
) -> pb.DiffResponse:
    """Compare the program's new inputs with the live values of the last ones, without a request.

    `ignored` are the paths of the resource's `ignoreChanges`.
    """
    base = inputs_as_lived(old, live_part(state)) if state.get("metadata") else old
    left_out = [tuple(path.split(".")) for path in ignored]
    found = [each for each in differences(base, new) if each.path not in left_out]
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


def replaced(found: pb.DiffResponse, path: Path) -> pb.DiffResponse:
    """The comparison of an object that is replaced although its inputs may be as before; `path` is the reason."""
    found.changes = pb.DiffResponse.DIFF_SOME
    found.replaces.append(_text(path))
    found.detailedDiff[_text(path)].kind = pb.PropertyDiff.UPDATE_REPLACE
    found.deleteBeforeReplace = True
    return found


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
    """Whether both objects have the same name, so that they can't exist together."""
    before, after = old.get("metadata") or {}, new.get("metadata") or {}
    return all(before.get(key) == after.get(key) for key in ("name", "namespace"))


def _text(path: Path) -> str:
    """Format a path as the engine does: `spec.containers[0].image`, `metadata.labels["a/b"]`."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        elif _PLAIN.match(part):
            written += f".{part}" if written else part
        else:
            written += f"[{json.dumps(part)}]"
    return written
