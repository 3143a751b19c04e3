"""Fields of pods."""

from collections.abc import Iterable

from verify.cluster import Object


def name(pod: Object) -> str:
    """Return an object's name."""
    return str(pod["metadata"]["name"])


def is_ready(pod: Object) -> bool:
    """Whether a pod is Ready."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions") or [])


def container_statuses(pod: Object) -> Iterable[Object]:
    """Return the statuses of all containers, init containers first."""
    status = pod["status"]
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
