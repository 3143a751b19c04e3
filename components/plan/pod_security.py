"""The Pod Security Standards: which level admits a pod, and what of the pod a stricter level refuses.

Source: kubernetes/website content/en/docs/concepts/security/pod-security-standards.md (Kubernetes 1.34), for pods of
Linux without a user namespace. `tests/sandbox/cluster/test_pod_security.py` compares it with the API server.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from components.config.vocabulary import PodSecurity

Spec = Mapping[str, Any]
"""A PodSpec, or a part of one, as the API server takes it."""

BASELINE_CAPABILITIES = frozenset(
    (
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
)

RESTRICTED_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})

SAFE_SYSCTLS = frozenset(
    (
        *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
        *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
        *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
        *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    )
)

SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
CONFINED_PROFILES = ("RuntimeDefault", "Localhost")
RESTRICTED_VOLUMES = frozenset(
    ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
)
HOOKS = ("livenessProbe", "readinessProbe", "startupProbe")
ORDER = (PodSecurity.PRIVILEGED, PodSecurity.BASELINE, PodSecurity.RESTRICTED)
"""From the level that admits every pod to the strictest one."""


class Violation(NamedTuple):
    """A field of a pod that a level refuses."""

    level: PodSecurity
    """The level that refuses it; a stricter one does so, too."""
    field: str
    """Its path, with names of containers and volumes in brackets."""
    what: str
    """What the pod has, in words."""


def violations(pod: Spec) -> list[Violation]:
    """What of a pod the levels `baseline` and `restricted` refuse."""
    return [*_baseline(pod), *_restricted(pod)]


def refused_by(level: PodSecurity, found: Iterable[Violation]) -> list[Violation]:
    """The violations that keep a pod out of a namespace of that level."""
    return [each for each in found if ORDER.index(each.level) <= ORDER.index(level)]


def admitted_by(found: Iterable[Violation]) -> PodSecurity:
    """The strictest level that admits a pod with these violations."""
    levels = {each.level for each in found}
    return next(level for level in reversed(ORDER) if not any(ORDER.index(one) <= ORDER.index(level) for one in levels))


def _baseline(pod: Spec) -> Iterator[Violation]:
    for field, what in _of_the_host(pod):
        yield Violation(PodSecurity.BASELINE, f"spec.{field}", what)
    for place, context in _contexts(pod):
        for field, what in _relaxed(context):
            yield Violation(PodSecurity.BASELINE, f"spec.{place}.{field}", what)
    for place, container in _containers(pod):
        for field, what in _privileges(container):
            yield Violation(PodSecurity.BASELINE, f"spec.{place}.{field}", what)


def _of_the_host(pod: Spec) -> Iterator[tuple[str, str]]:
    """Namespaces, files and kernel parameters of the node."""
    for field, what in (
        ("hostNetwork", "the host's network"),
        ("hostPID", "the host's processes"),
        ("hostIPC", "the host's IPC"),
    ):
        if pod.get(field):
            yield field, what
    for volume in pod.get("volumes") or ():
        if "hostPath" in volume:
            yield f"volumes[{volume['name']}].hostPath", "files of the node (hostPath)"
    for sysctl in (pod.get("securityContext") or {}).get("sysctls") or ():
        if sysctl["name"] not in SAFE_SYSCTLS:
            yield "securityContext.sysctls", f"the kernel parameter {sysctl['name']}"


def _relaxed(context: Spec) -> Iterator[tuple[str, str]]:
    """What a security context of a pod or a container switches off."""
    for profile, what in (("seccompProfile", "no seccomp profile"), ("appArmorProfile", "no AppArmor profile")):
        if (context.get(profile) or {}).get("type") == "Unconfined":
            yield f"{profile}.type", what
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "windowsOptions.hostProcess", "a process of a Windows host"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions", "SELinux options"


def _privileges(container: Spec) -> Iterator[tuple[str, str]]:
    """What a container asks for beyond an ordinary one."""
    context = container.get("securityContext") or {}
    if context.get("privileged"):
        yield "securityContext.privileged", "privileged containers"
    if context.get("procMount", "Default") != "Default":
        yield "securityContext.procMount", "an unmasked /proc"
    if more := _added(context) - BASELINE_CAPABILITIES:
        yield "securityContext.capabilities.add", f"the capabilities {', '.join(sorted(more))}"
    if any(port.get("hostPort") for port in container.get("ports") or ()):
        yield "ports", "ports of the node (hostPort)"
    for hook, action in _actions(container):
        if any((action.get(kind) or {}).get("host") for kind in ("httpGet", "tcpSocket")):
            yield hook, "a probe or hook of another host"


def _restricted(pod: Spec) -> Iterator[Violation]:
    for volume in pod.get("volumes") or ():
        for kind in volume.keys() - RESTRICTED_VOLUMES - {"name", "hostPath"}:
            field, what = f"spec.volumes[{volume['name']}].{kind}", f"a volume of the kind {kind}"
            yield Violation(PodSecurity.RESTRICTED, field, what)
    for place, context in _contexts(pod):
        for field, what in _rooted(context):
            yield Violation(PodSecurity.RESTRICTED, f"spec.{place}.{field}", what)
    for place, container in _containers(pod):
        for field, what in _unconfined(container.get("securityContext") or {}, pod.get("securityContext") or {}):
            yield Violation(PodSecurity.RESTRICTED, f"spec.{place}.securityContext.{field}", what)


def _rooted(context: Spec) -> Iterator[tuple[str, str]]:
    if context.get("runAsUser") == 0:
        yield "runAsUser", "root (runAsUser 0)"
    if context.get("runAsNonRoot") is False:
        yield "runAsNonRoot", "containers that may run as root"


def _unconfined(context: Spec, of_pod: Spec) -> Iterator[tuple[str, str]]:
    """What the security context of a container lacks; the security context of its pod may have some of it."""
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation", "processes that may gain rights"
    if "ALL" not in ((context.get("capabilities") or {}).get("drop") or ()):
        yield "capabilities.drop", "the runtime's capabilities"
    if more := (_added(context) & BASELINE_CAPABILITIES) - RESTRICTED_CAPABILITIES:
        yield "capabilities.add", f"the capabilities {', '.join(sorted(more))}"
    if "runAsNonRoot" not in context and not of_pod.get("runAsNonRoot"):
        yield "runAsNonRoot", "containers that may run as root"
    profile = context.get("seccompProfile") or of_pod.get("seccompProfile") or {}
    if profile.get("type") not in (*CONFINED_PROFILES, "Unconfined"):  # baseline refuses Unconfined
        yield "seccompProfile", "the node's default seccomp profile"


def _contexts(pod: Spec) -> Iterator[tuple[str, Spec]]:
    yield "securityContext", pod.get("securityContext") or {}
    for place, container in _containers(pod):
        yield f"{place}.securityContext", container.get("securityContext") or {}


def _containers(pod: Spec) -> Iterator[tuple[str, Spec]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind) or ():
            yield f"{kind}[{container['name']}]", container


def _added(context: Spec) -> set[str]:
    return set((context.get("capabilities") or {}).get("add") or ())


def _actions(container: Spec) -> Iterator[tuple[str, Spec]]:
    for probe in HOOKS:
        yield probe, container.get(probe) or {}
    for hook, action in (container.get("lifecycle") or {}).items():
        if isinstance(action, Mapping):
            yield f"lifecycle.{hook}", action
