"""What a container's security context makes of its first process: its user, capabilities, and no way to more."""

from typing import TypedDict

from sandbox.cluster.api import Object
from sandbox.pods.images import User


class Rights(TypedDict):
    """`groups`: supplementary ones; `dropped`: no capability; `confined`: no program gives it more than it has."""

    user: int
    group: int
    groups: list[int]
    dropped: bool
    confined: bool


class RefusedError(Exception):
    """A kubelet would not start the container; the words are a kubelet's."""


def rights(pod: Object, container: Object, image_user: User) -> Rights:
    """Return them. Raises `RefusedError` for root where none may be.

    Of single capabilities and of seccomp profiles the sandbox knows nothing: a container has the usual ones, or none.
    """
    whole, own = pod["spec"].get("securityContext", {}), container.get("securityContext", {})
    said = {**whole, **own}
    user = said.get("runAsUser", image_user.number)
    if said.get("runAsNonRoot") and user == 0:
        raise RefusedError("container has runAsNonRoot and image will run as root")
    capabilities = own.get("capabilities", {})
    of_volumes = [whole["fsGroup"]] if "fsGroup" in whole else []
    return {
        "user": user,
        "group": said.get("runAsGroup", 0 if "runAsUser" in said else image_user.group),
        "groups": [*whole.get("supplementalGroups", []), *of_volumes],
        "dropped": "ALL" in capabilities.get("drop", []) and not capabilities.get("add"),
        "confined": own.get("allowPrivilegeEscalation") is False,
    }
