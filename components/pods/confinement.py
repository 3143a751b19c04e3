"""The security context of containers that need no rights: the picker and the routing sidecar."""

import pulumi_kubernetes as k8s


def confined() -> k8s.core.v1.SecurityContextArgs:
    """Return what Pod Security's level `restricted` demands, with a read-only root file system.

    It names no user, because OpenShift refuses a user outside the range of the namespace. The images of both releases
    have the user 65532, and the kubelet refuses an image that runs as root.
    """
    return k8s.core.v1.SecurityContextArgs(
        run_as_non_root=True,
        read_only_root_filesystem=True,
        allow_privilege_escalation=False,
        capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
        seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )
