"""The security context of containers that need no rights: the picker and the routing sidecar."""

from components.manifests import Fields


def confined() -> Fields:
    """Return what Pod Security's level `restricted` demands, with a read-only root file system.

    It names no user, because OpenShift refuses a user outside the range of the namespace. The images of both releases
    have the user 65532, and the kubelet refuses an image that runs as root.
    """
    return {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
