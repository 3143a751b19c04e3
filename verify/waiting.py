"""Why the pods of a stack are not Ready, from objects as JSON: what is wrong, what to change, and what cannot heal."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from verify.cluster import Object
from verify.pods import container_statuses, is_ready, name

ROLE = "{role}"
"""Placeholder for the tier's key in `serving`: prefill or decode."""

REMEDIES: tuple[tuple[str, str], ...] = (
    (r"Insufficient \w+\.com/gpu", "serving.{role}.replicas or serving.{role}.tensorParallel (fewer GPUs); more nodes"),
    (
        r"free ports",
        "serving.hostNetwork: each of its workers needs a node to itself; otherwise serving.{role}.replicas",
    ),
    (r"anti-affinity", "serving.hostNetwork: its prefill and decode workers never share a node, so it needs two nodes"),
    (r"node affinity|node selector|node\(s\) didn't match", "serving.{role}.nodeSelector and serving.{role}.affinity"),
    (r"taint", "serving.{role}.tolerations"),
    (r"Insufficient cpu", "serving.{role}.cpu"),
    (r"Insufficient memory|OOMKilled", "serving.{role}.memory and serving.{role}.shmSize"),
    (r"ephemeral-storage", "serving.model.storage"),
    (
        r"Insufficient (?!\w+\.com/gpu)[\w.-]+/",
        "serving.rdma.resource and serving.rdma.count, or the tier's own serving.{role}.rdma",
    ),
    (r"(?i)persistentvolumeclaim", "serving.model.claim: the claim must exist in the namespace, and be bound"),
    (r"FailedMount|FailedAttachVolume", "serving.model.claim and serving.{role}.volumes: the volume's own events"),
    (
        r"PodSecurity",
        "serving.security.podSecurity; with serving.createNamespace: false the namespace must allow these pods",
    ),
    (
        r"denied the request|denied request",
        "serving.{role}.labels, serving.{role}.annotations or the field that the policy names; or the policy",
    ),
    (r"quota", "the namespace's ResourceQuota, or serving.{role}.replicas, .cpu and .memory"),
    (r"PriorityClass|[Pp]reempt", "serving.{role}.priorityClass"),
    (r"RuntimeClass", "serving.{role}.runtimeClass"),
    (r"[Ss]ecret \S+", "make the Secret of serving.model.tokenSecret, serving.{role}.env or serving.{role}.volumes"),
    (r"(?i)configmap \S+", "make the ConfigMap of serving.{role}.env or serving.{role}.volumes"),
    (
        r"InvalidImageName|ImagePull|ErrImage",
        "{image}: its name and tag; serving.images.pullSecrets if the registry asks for a login, serving.images.mirror",
    ),
    (r"probe", "the log above; serving.{role}.rollout.startupBudget if the model only needs longer to load"),
    (r"ended \d+ times?", "the log above; serving.{role}.extraArgs, serving.{role}.env and {image}"),
    (
        r"^node ",
        "nothing in `serving`: Kubernetes replaces its pods after five minutes where they fit",
    ),
)
"""What to change, by words of a message."""

_IMAGES = {
    "prefill": "serving.prefill.image",
    "decode": "serving.decode.image",
    "picker": "serving.routing.image",
    "gateway": "serving.gateway.image",
}
_GATEWAY, _PICKER, _ROLE = "gateway.networking.k8s.io/gateway-name", "inferencepool", "llm-d.ai/role"
_HASH = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"

_FINAL_REFUSAL = re.compile(
    r"violates PodSecurity|denied the request|denied request|security context constraint|no PriorityClass with name|"
    r"RuntimeClass \S+ not found|(maximum|minimum) [\w.-]+ usage per|is invalid"
)
"""Words of a refusal that every further try gets. A full quota and a webhook without an answer are not final."""
_ABSENT = re.compile(r"(secret|configmap) \S+ not found|references non-existent|couldn't find key")
_IMAGE = re.compile(r"ErrImage|ImagePull|RegistryUnavailable|ImageInspect")
_PREEMPTED = "Preempted"
_EXITS = 3
"""Ends of a container with the same code, after which another start does not help."""

Codes = Mapping[tuple[str, str], set[int]]
"""Exit codes of a container so far, by the pod's UID and the container's name."""

UNKNOWN = "nothing in `serving` is known to change this"


def setting_for(message: str, role: str) -> str:
    """Return what to change for a message about a pod of `role` (a tier, picker or gateway); empty if unknown."""
    tier = role if role in ("prefill", "decode") else "<prefill|decode>"
    image = _IMAGES.get(role, "the image's setting")
    found = [remedy for pattern, remedy in REMEDIES if re.search(pattern, message)]
    return "; ".join(found).replace(ROLE, tier).replace("{image}", image)


@dataclass(frozen=True)
class Trouble:
    """One reason for which pods of a workload are not Ready; pods with the same reason are one trouble."""

    workload: str
    """The Deployment, or the Gateway of a proxy."""
    role: str
    """prefill, decode, picker, gateway, or empty."""
    key: str
    """What identifies the trouble in the next look: the reason and the container."""
    subject: str
    """The pod, or the ReplicaSet that is not allowed to make pods."""
    what: str
    """Kubernetes' reason and message."""
    change: str
    made: str = ""
    """When the pod or ReplicaSet was made, in Kubernetes' format."""
    lasting: bool = False
    """Whether it stays until something is changed."""
    absent: bool = False
    pod: Object | None = field(default=None, compare=False)
    status: Object | None = field(default=None, compare=False)
    """Status of the container with the log that explains the trouble."""

    @property
    def text(self) -> str:
        return f"{self.role or self.workload} waits: {self.subject}: {self.what}"


@dataclass(frozen=True)
class Seen:
    """The objects of a namespace at one moment."""

    pods: Sequence[Object]
    replica_sets: Sequence[Object] = ()
    events: Sequence[Object] = ()
    nodes: Mapping[str, Object] = field(default_factory=dict)
    """Nodes of pods that are not Ready, by name; an empty object is a node that is gone."""

    @property
    def current(self) -> list[Object]:
        """The pods of each Deployment's newest ReplicaSet, and those of no Deployment; none that is being deleted."""
        newest = {owner: one["metadata"]["labels"].get(_HASH) for owner, one in self._newest().items()}
        return [
            pod
            for pod in self.pods
            if "deletionTimestamp" not in pod["metadata"]
            and _labels(pod).get(_HASH) == newest.get(_deployment(pod), _labels(pod).get(_HASH))
        ]

    def _newest(self) -> dict[str, Object]:
        found: dict[str, Object] = {}
        for one in sorted(self.replica_sets, key=_revision):
            found[owner(one) or name(one)] = one
        return found

    def troubles(self, codes: Codes) -> list[Trouble]:
        """Return what is wrong now, one trouble for each reason, container and workload."""
        found: dict[tuple[str, str], Trouble] = {}
        by_pod: dict[str, list[Object]] = {}
        for event in self.events:
            by_pod.setdefault(event["involvedObject"].get("uid", ""), []).append(event)
        each = [*self._refused(), *self._preempted()]
        for pod in self.current:
            lost = self._lost(pod["spec"].get("nodeName", ""))
            each += _of_pod(pod, by_pod.get(pod["metadata"].get("uid", ""), []), codes, lost)
        for trouble in each:
            known = found.setdefault((trouble.workload, trouble.key), trouble)
            if trouble.lasting and not known.lasting:
                found[trouble.workload, trouble.key] = trouble
        return list(found.values())

    def _refused(self) -> Iterator[Trouble]:
        for one in self._newest().values():
            role = role_of(one["spec"]["template"]["metadata"].get("labels") or {})
            for condition in one.get("status", {}).get("conditions") or []:
                if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                    message = condition.get("message", "")
                    yield Trouble(
                        owner(one) or name(one),
                        role,
                        "refused",
                        name(one),
                        f"it may not make its pods: {message}",
                        setting_for(message, role) or UNKNOWN,
                        one["metadata"].get("creationTimestamp", ""),
                        lasting=bool(_FINAL_REFUSAL.search(message)),
                    )

    def _preempted(self) -> Iterator[Trouble]:
        """Yield pods that were preempted, while their workload waits for the next ones."""
        waiting = [pod for pod in self.pods if not is_ready(pod)]
        known = {workload_of(pod): role_of(_labels(pod)) for pod in waiting}
        for event in self.events:
            victim = event["involvedObject"].get("name", "")
            workload = next((one for one in known if victim.startswith(f"{one}-")), "")
            if event.get("reason") == _PREEMPTED and workload:
                what = f"{_PREEMPTED}: {event.get('message', '')}"
                role = known[workload]
                yield Trouble(workload, role, f"preempted {victim}", victim, what, setting_for(what, role) or UNKNOWN)

    def _lost(self, node: str) -> str:
        """Return why a node does not run its pods; empty if it is Ready, or may not be read."""
        if node in self.nodes and not self.nodes[node]:
            return f"node {node} does not exist any more"
        for one in self.nodes.get(node, {}).get("status", {}).get("conditions") or []:
            if one["type"] == "Ready" and one["status"] != "True":
                return f"node {node} is not Ready: {one.get('message', '')}"
        return ""


def why(pod: Object) -> str:
    """Return why a pod is not Ready, as its own status says."""
    if found := [one.what for one in _of_pod(pod)]:
        return "; ".join(found)
    unready = [one["name"] for one in container_statuses(pod) if not one.get("ready")]
    if unready:
        return f"container {unready[0]} runs, but its readiness probe doesn't succeed yet"
    return str(pod["status"].get("phase", "unknown"))


def _of_pod(
    pod: Object, events: Sequence[Object] = (), codes: Codes | None = None, lost: str = ""
) -> Iterator[Trouble]:
    if is_ready(pod) or pod["status"].get("phase") == "Succeeded":
        return
    if pod["status"].get("phase") == "Failed":
        what = f"{pod['status'].get('reason', 'Failed')}: {pod['status'].get('message', '')}"
        yield _trouble(pod, "failed", what)
        return
    unscheduled = [
        one
        for one in pod["status"].get("conditions") or []
        if one["type"] == "PodScheduled" and one["status"] == "False"
    ]
    for one in unscheduled:
        yield _trouble(pod, "unscheduled", f"{one.get('reason', 'Unschedulable')}: {one.get('message', '')}")
    if lost:
        yield _trouble(pod, lost, lost)
        return
    statuses = list(container_statuses(pod))
    stopped = [found for one in statuses if (found := _stopped(pod, one, codes or {}))]
    yield from stopped
    if unscheduled or stopped:
        return
    unready = next((one for one in statuses if not one.get("ready")), None)
    runs = unready is not None and "running" in unready.get("state", {})
    # Events from before the start of a container no longer apply; probes fail while it runs.
    warnings = [each for each in events if each["type"] == "Warning" and (not runs or each["reason"] == "Unhealthy")]
    if warnings and (unready or not statuses):
        last = max(warnings, key=when)
        what = f"{last['reason']}: {last.get('message', '')}"
        absent = bool(_ABSENT.search(what))
        yield _trouble(pod, f"event {last['reason']}", what, unready, lasting=absent, absent=absent)
    elif statuses and not unready:  # Kubernetes' node controller takes Ready from the pods of a silent node
        node = pod["spec"].get("nodeName")
        yield _trouble(pod, "unready", f"its containers are ready, but the pod isn't: is node {node} Ready?")


def role_of(labels: Mapping[str, str]) -> str:
    """Return prefill, decode, picker or gateway by a pod's labels; empty for any other pod."""
    if _GATEWAY in labels or "llm-d.ai/gateway" in labels:
        return "gateway"
    return "picker" if _PICKER in labels else str(labels.get(_ROLE, ""))


def workload_of(pod: Object) -> str:
    """Return the name of a pod's Gateway or Deployment, else that of the pod."""
    labels = _labels(pod)
    return str(labels.get(_GATEWAY) or labels.get("llm-d.ai/gateway") or _deployment(pod) or name(pod))


def when(event: Object) -> str:
    """Return when an event was last seen, in Kubernetes' format."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def exits(status: Object) -> tuple[int, int | None]:
    """Return how often a container has ended, and its last exit code; None if it never has."""
    state = status.get("state", {})
    ended = state.get("terminated") or status.get("lastState", {}).get("terminated")
    if not ended:
        return 0, None
    return int(status.get("restartCount", 0)) + ("running" not in state), ended.get("exitCode")


def _stopped(pod: Object, status: Object, codes: Codes) -> Trouble | None:
    """Return why a container does not run; None if it runs, has done its work, or is about to start."""
    state = status.get("state", {})
    detail = state.get("waiting") or state.get("terminated") or {}
    reason, message = detail.get("reason", ""), detail.get("message", "")
    count, code = exits(status)
    ended = (state.get("terminated") or {}).get("exitCode")
    if "running" in state or ended == 0 or reason in ("", "ContainerCreating", "PodInitializing"):
        return None
    container = f"container {status['name']}"
    if code is not None and (reason == "CrashLoopBackOff" or ended is not None):
        last = state.get("terminated") or status.get("lastState", {}).get("terminated") or {}
        killed = f", {last['reason']}" if last.get("reason") == "OOMKilled" else ""
        what = f"{container} ended {count} time{'s' * (count > 1)}, last with code {code}{killed}"
        same = codes.get((pod["metadata"].get("uid", ""), status["name"]), set()) == {code}
        return _trouble(pod, f"ends {status['name']}", what, status, lasting=count >= _EXITS and same)
    what = f"{container}: {reason} {message}".rstrip()
    if _IMAGE.search(reason):
        return _trouble(pod, f"image {status['name']}", what)
    absent = reason == "CreateContainerConfigError" and bool(_ABSENT.search(message))
    return _trouble(
        pod, f"{reason} {status['name']}", what, lasting=absent or reason == "InvalidImageName", absent=absent
    )


def _trouble(
    pod: Object, key: str, what: str, status: Object | None = None, *, lasting: bool = False, absent: bool = False
) -> Trouble:
    role = role_of(_labels(pod))
    made = pod["metadata"].get("creationTimestamp", "")
    change = setting_for(what, role) or UNKNOWN
    return Trouble(workload_of(pod), role, key, name(pod), what, change, made, lasting, absent, pod=pod, status=status)


def _labels(one: Object) -> Mapping[str, str]:
    return one["metadata"].get("labels") or {}


def owner(one: Object) -> str:
    """Return the name of an object's first owner: a pod's ReplicaSet, a ReplicaSet's Deployment; empty without one."""
    return next((str(each["name"]) for each in one["metadata"].get("ownerReferences") or []), "")


def _deployment(pod: Object) -> str:
    """Return the name of a pod's Deployment: that of its ReplicaSet without the hash."""
    return owner(pod).removesuffix(f"-{_labels(pod).get(_HASH, '')}")


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(_REVISION, 0))
