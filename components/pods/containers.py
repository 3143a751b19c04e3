"""Parts of containers: resources, rights, ports and variables."""

from collections.abc import Mapping

from components.manifests import Fields, given
from components.plan.worker_args import ReferenceArgs, ResolvedTier


def equal_resources(amounts: Mapping[str, str]) -> Fields:
    """Requests equal to limits, as the QoS class Guaranteed demands."""
    return {"limits": dict(amounts), "requests": dict(amounts)}


def security(worker: ResolvedTier) -> Fields | None:
    """The security context of the vLLM container; None: Kubernetes' defaults."""
    confinement = worker.confinement
    capabilities = given({"add": worker.capabilities or None, "drop": confinement.drop_capabilities or None})
    context = {
        "privileged": True if worker.privileged else None,
        "runAsUser": worker.run_as_user,
        "runAsGroup": confinement.run_as_group,
        "runAsNonRoot": confinement.run_as_non_root,
        "allowPrivilegeEscalation": confinement.allow_privilege_escalation,
        "readOnlyRootFilesystem": confinement.read_only_root_filesystem,
        "capabilities": capabilities or None,
        "seccompProfile": _seccomp(confinement.seccomp_profile),
    }
    return given(context) or None


def _seccomp(profile: str | None) -> Fields | None:
    if profile is None:
        return None
    kind, _, file = profile.partition("/")
    return given({"type": kind, "localhostProfile": file or None})


def container_port(port: int, name: str | None = None, *, on_host: bool = False) -> Fields:
    """A port of a container; `on_host` where the pod is on its node's network.

    There the API server would set a host port without a field manager. Such a field would remain after the mode is
    switched off, and two pods of a tier would not fit on one node.
    """
    return given({"name": name, "containerPort": port, "hostPort": port if on_host else None, "protocol": "TCP"})


def variable_of_pod(name: str, path: str) -> Fields:
    """A variable with the value of the pod's field at `path`."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def variable_of_reference(name: str, value: ReferenceArgs) -> Fields:
    """A variable with the value of a key of a Secret or ConfigMap."""
    kind = "secretKeyRef" if value.secret else "configMapKeyRef"
    selector = {
        "name": value.secret or value.config_map,
        "key": value.key,
        "optional": True if value.optional else None,
    }
    return {"name": name, "valueFrom": {kind: given(selector)}}
