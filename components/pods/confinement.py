"""What a container that needs no rights is kept from: the picker and the routing sidecar."""

import pulumi_kubernetes as k8s


def confined() -> k8s.core.v1.SecurityContextArgs:
    """What Pod Security's restricted level asks for, and a root that cannot be written to.

    No user is named: the images of both releases say 65532, the kubelet refuses one that says root, and OpenShift
    refuses pods that name a user outside the namespace's own range.
    """
    return k8s.core.v1.SecurityContextArgs(
        run_as_non_root=True,
        read_only_root_filesystem=True,
        allow_privilege_escalation=False,
        capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
        seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )
