"""What admission changes in a pod: the pod that was sent, compared with the one that came back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from preflight.answers import Object
from preflight.quantity import thousandths

KEYS = ("name", "mountPath", "containerPort")
"""Fields that identify the items of a list. Lists without one are compared as a whole: nothing has a default."""

WATCHED = ("schedulingGates", "schedulerName", "nodeSelector", "runtimeClassName", "priorityClassName", "hostNetwork")
"""Fields that decide where and when a pod runs: reported also where the program leaves them unset."""

DEFAULTS = {"schedulerName": "default-scheduler"}
"""What the API server itself fills in."""

HARMLESS = ("image", "livenessProbe", "readinessProbe", "startupProbe")
"""Fields of a container that mirrors and meshes rewrite, to the same effect."""


class Change(NamedTuple):
    """One difference."""

    field: str
    what: str
    harmless: bool = False
    """Whether the pod does the same with it, or more."""


def changes(sent: Object, came: Object) -> list[Change]:
    """What of a pod's spec was changed, removed or added; defaults of the API server are no change."""
    asked, kept = sent["spec"], came["spec"]
    return [*_added(asked, kept), *_differing(asked, kept, "")]


def _added(sent: Object, came: Object) -> Iterator[Change]:
    for kind in ("initContainers", "containers"):
        known = {each["name"] for each in sent.get(kind) or []}
        for each in came.get(kind) or []:
            if each["name"] not in known:
                yield Change(kind, f"the container {each['name']} is added ({each.get('image')})", harmless=True)
    for field in WATCHED:
        if came.get(field) and came[field] != DEFAULTS.get(field) and not sent.get(field):
            yield Change(field, f"{field} is set to {_spoken(came[field])}", harmless=True)


def _differing(sent: Any, came: Any, path: str) -> Iterator[Change]:
    if isinstance(sent, Mapping) and isinstance(came, Mapping):
        for key, value in sent.items():
            yield from _differing(value, came.get(key), f"{path}.{key}".lstrip("."))
    elif path == "tolerations":
        yield from (
            Change(path, f"the toleration {_spoken(each)} is removed") for each in sent if each not in (came or [])
        )
    elif isinstance(sent, list) and isinstance(came, list) and (key := _key(sent)):
        found = {each.get(key): each for each in came}
        for each in sent:
            yield from _differing(each, found.get(each[key]), f"{path}[{each[key]}]")
    elif not _same(sent, came):
        harmless = any(f"].{field}" in path for field in HARMLESS)
        if came is None:
            yield Change(path, f"{path} is removed")
        else:
            yield Change(path, f"{path} is {_spoken(came)} instead of {_spoken(sent)}", harmless)


def _key(items: Sequence[Any]) -> str | None:
    mappings = all(isinstance(each, Mapping) for each in items)
    return next((key for key in KEYS if mappings and items and all(key in each for each in items)), None)


def _same(sent: Any, came: Any) -> bool:
    """The server leaves out what is empty, and writes quantities in its own way."""
    if came is None:
        return not sent
    if sent == came:
        return True
    try:
        return thousandths(str(sent)) == thousandths(str(came))
    except ValueError:
        return False


def _spoken(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
