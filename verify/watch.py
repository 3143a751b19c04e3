"""Follows the pods of a stack while `up` waits: reports each trouble once, and the trouble that ends the wait."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from verify.cluster import Object
from verify.finding import Unreachable
from verify.pods import container_statuses, is_ready, name
from verify.redaction import without_secrets
from verify.waiting import Seen, Trouble, exits, owner, when
from verify.words import complaint

EVERY = 3.0
"""Seconds from one look to the next. A trouble is shown when two looks in a row have found it."""
SURE = 10.0
"""Seconds that a trouble must last before it ends the wait."""
_LINES, _SHOWN, _LONGEST = "50", 3, 240
_MOST = "500"


class Source(Protocol):
    """The reads of a cluster that this module needs; `verify.cluster.Cluster` has them."""

    def get(self, path: str, **query: str) -> Object:
        """Read an object or a list."""

    def log(self, namespace: str, pod: str, container: str, **query: str) -> str:
        """Read a container's log."""


@dataclass(frozen=True)
class Shown:
    """A trouble with the last lines of its container's log."""

    trouble: Trouble
    lines: tuple[str, ...] = ()
    ends: bool = False
    """Whether the trouble ends the wait, because it cannot heal."""

    def __str__(self) -> str:
        """One line, because Pulumi shows the first line of a message at once and the rest at the end."""
        log = f"; its log: {' | '.join(self.lines)}" if self.lines else ""
        return f"{self.trouble.text}{log}; change: {self.trouble.change}"


class Watch:
    """What is wrong with the pods of some workloads, look by look."""

    def __init__(self, source: Source, namespace: str, awaited: Callable[[], Collection[str]], started: str) -> None:
        """`awaited`: the Deployments, and the Gateway, that `up` waits for now; `started`: the start of `up`, in
        Kubernetes' format and by the cluster's clock. Only a pod or ReplicaSet made since then can end the wait."""
        self._source, self._namespace, self._awaited, self._started = source, namespace, awaited, started
        self._codes: dict[tuple[str, str], set[int]] = {}
        self._ready: set[str] = set()
        """ReplicaSets that had a Ready pod. On a slow cluster the first look still shows the old ReplicaSet."""
        self._since: dict[tuple[str, str], float] = {}
        self._shown: set[tuple[str, str]] = set()
        self._existed: bool | None = None

    def look(self, now: float | None = None) -> list[Shown]:
        """Return new troubles, and the one that ends the wait. Raises `Unreachable` if the pods cannot be read."""
        now = time.monotonic() if now is None else now
        seen = read(self._source, self._namespace, self._started)
        awaited = self._awaited()
        for pod in seen.current:
            self._remember(pod)
        present = {(one.workload, one.key): one for one in seen.troubles(self._codes) if one.workload in awaited}
        before, self._since = self._since, {key: self._since.get(key, now) for key in present}
        found = []
        for key, trouble in present.items():
            ends = self._ends(trouble) and now - self._since[key] >= SURE
            if ends or (key in before and key not in self._shown):
                self._shown.add(key)
                found.append(Shown(trouble, last_lines(self._source, self._namespace, trouble), ends))
        return found

    def _remember(self, pod: Object) -> None:
        if is_ready(pod):
            self._ready.add(owner(pod))
        for status in container_statuses(pod):
            _, code = exits(status)
            if code is not None:
                self._codes.setdefault((pod["metadata"].get("uid", ""), status["name"]), set()).add(code)

    def _ends(self, trouble: Trouble) -> bool:
        replica_set = owner(trouble.pod) if trouble.pod else trouble.subject
        if not trouble.lasting or trouble.made < self._started or replica_set in self._ready:
            return False
        return not trouble.absent or self._namespace_existed()

    def _namespace_existed(self) -> bool:
        """Whether the namespace is older than this `up`: in a new namespace, a user may still make absent Secrets."""
        if self._existed is None:
            try:
                made = self._source.get(f"/api/v1/namespaces/{self._namespace}")
            except Unreachable:
                return False
            self._existed = made["metadata"].get("creationTimestamp", "") < self._started
        return self._existed


def last_lines(source: Source, namespace: str, trouble: Trouble) -> tuple[str, ...]:
    """Return the end of the log of the container in trouble, without secrets; empty if there is none to read.

    The last warning or error takes the first place if it is not among the last lines.
    """
    if trouble.pod is None or trouble.status is None:
        return ()
    runs = "running" in trouble.status.get("state", {})
    query = {"tailLines": _LINES, **({} if runs else {"previous": "true"})}
    for asked in (query, {"tailLines": _LINES}):  # the first container of a pod has no previous one
        try:
            log = source.log(namespace, name(trouble.pod), trouble.status["name"], **asked)
        except Unreachable:
            continue
        lines = [line.strip() for line in without_secrets(log).splitlines() if line.strip()]
        shown = lines[-_SHOWN:]
        if (last := complaint(lines)) not in shown:
            shown = [last, *shown[1:]]
        return tuple(line[:_LONGEST] for line in shown)
    return ()


def read(source: Source, namespace: str, since: str = "") -> Seen:
    """Read the pods of a namespace and what explains them; `since`: events before are left out.

    Raises `Unreachable` when the pods may not be read. ReplicaSets, events and nodes that may not be read are left out.
    """
    core = f"/api/v1/namespaces/{namespace}"
    pods = source.get(f"{core}/pods")["items"]
    sets = _listed(source, f"/apis/apps/v1/namespaces/{namespace}/replicasets")
    warned = _listed(source, f"{core}/events", fieldSelector="type=Warning", limit=_MOST)
    preempted = _listed(source, f"{core}/events", fieldSelector="reason=Preempted", limit=_MOST)
    events = [one for one in (*warned, *preempted) if when(one) >= since]
    nodes: dict[str, Object] = {}
    for node in {pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName") and not is_ready(pod)}:
        try:
            nodes[node] = source.get(f"/api/v1/nodes/{node}")
        except Unreachable as hidden:
            if hidden.missing:  # otherwise this user may not read nodes
                nodes[node] = {}
    return Seen(pods, sets, events, nodes)


def _listed(source: Source, path: str, **query: str) -> list[Object]:
    try:
        return list(source.get(path, **query)["items"])
    except Unreachable:
        return []
