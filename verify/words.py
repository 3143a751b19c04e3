"""Reasons of pods that are not Ready: Kubernetes' reason, and the last error or warning in the container's log."""

import re
from collections.abc import Sequence

from verify.cluster import Cluster, Object
from verify.finding import Unreachable
from verify.pods import container_statuses, is_ready, name
from verify.waiting import why

_LINES = "50"
_LONGEST = 200
_COMPLAINT = re.compile(r"\b(warn(ing)?|error|critical|fatal|panic)\b", re.IGNORECASE)


def unready(cluster: Cluster, namespace: str, pods: Sequence[Object]) -> str:
    """Return `pod: reason; its log: line` for each pod that is not Ready; an empty text if all are."""
    return "; ".join(_described(cluster, namespace, pod) for pod in pods if not is_ready(pod))


def _described(cluster: Cluster, namespace: str, pod: Object) -> str:
    line = last_complaint(cluster, namespace, pod)
    return f"{name(pod)}: {why(pod)}" + (f"; its log: {line}" if line else "")


def last_complaint(cluster: Cluster, namespace: str, pod: Object) -> str:
    """Return the last warning or error in the log of the first container that is not ready, else its last line.

    Empty if the container never started, or if its log may not be read.
    """
    status = next((one for one in container_statuses(pod) if not one.get("ready")), None)
    if status is None:
        return ""
    waits = "waiting" in status.get("state", {})
    if waits and not status.get("restartCount"):
        return ""
    # If the container waits for its next start, the log of the previous one has the reason.
    query = {"previous": "true"} if waits else {}
    try:
        log = cluster.log(namespace, name(pod), status["name"], tailLines=_LINES, **query)
    except Unreachable:
        return ""
    return complaint([line.strip() for line in log.splitlines() if line.strip()])[:_LONGEST]


def complaint(lines: Sequence[str]) -> str:
    """Return the last warning or error of a log, else its last line; empty without lines."""
    complaints = [line for line in lines if _COMPLAINT.search(line)]
    return (complaints or lines or [""])[-1]
