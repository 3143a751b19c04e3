"""The proxies that serve a Gateway: the pods that its controller made in the Gateway's namespace.

The condition Programmed says nothing about them: istio sets it as soon as the Service exists (istio/istio,
pilot/pkg/config/kube/gatewaycommon/conversion.go, SetProgrammedCondition, read at 1.31). There are no such pods for a
load balancer outside the cluster (gke), or for a Gateway with proxies that were deployed by hand.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from verify.cluster import Cluster, Object
from verify.finding import Finding, Unreachable, failed, ok, unseen, warning
from verify.pods import is_ready, name
from verify.tiers import pods_of
from verify.words import unready

LABEL = "gateway.networking.k8s.io/gateway-name"
"""Label of the Service, Deployment and pods that a controller makes for a Gateway (Gateway API, GEP-1762)."""

FLUSH_SECONDS = 2.0
"""Longest delay of an access log line: istio's proxies write their log once a second (istio/istio,
pkg/envoy/proxy.go, --file-flush-interval-msec, read at 1.31)."""

_LINES = "200"
_REFUSED_EPP = re.compile(r"ext_proc_error[^\s\"',]*")
"""Envoy's response code detail of a request that the EPP could not be asked about, in an access log of any format."""


@dataclass(frozen=True)
class Proxies:
    """Service and pods that a controller made for a Gateway, as far as they can be read."""

    namespace: str
    service: str | None
    pods: list[Object]
    """Pods that are not being deleted."""
    empty: str
    """Why the Deployment has no pod, from its conditions; empty if it has pods or does not exist."""
    hidden: Unreachable | None
    """The request that was refused, and the missing right."""


def of(cluster: Cluster, namespace: str, gateway: str) -> Proxies:
    """Find the Service and pods of a Gateway."""
    service: Object | None = None
    try:
        services = _labelled(cluster, f"/api/v1/namespaces/{namespace}/services", gateway)
        service = services[0] if services else None
        pods = pods_of(cluster, namespace, (service or {}).get("spec", {}).get("selector") or {LABEL: gateway})
        empty = "" if pods else _why_empty(cluster, namespace, gateway)
    except Unreachable as hidden:
        return Proxies(namespace, name(service) if service else None, [], "", hidden)
    return Proxies(namespace, name(service) if service else None, pods, empty, None)


def judge(cluster: Cluster, proxies: Proxies, programmed: str) -> Finding:
    """Report whether a Gateway's proxies serve; `programmed` is the evidence about the Gateway itself."""
    step = "gateway"
    if proxies.hidden:
        return unseen(step, f"{programmed}; its proxies can't be seen: {proxies.hidden}", proxies.hidden.remedy)
    ready = [pod for pod in proxies.pods if is_ready(pod)]
    if not ready and (proxies.pods or proxies.service or proxies.empty):
        why = unready(cluster, proxies.namespace, proxies.pods) or proxies.empty or "it has no pod"
        return failed(
            step,
            f"{programmed}, but no proxy is Ready: {why}",
            "Programmed says nothing about the proxy: connections are refused or reset",
            f"`kubectl --namespace {proxies.namespace} describe pod`: an image that can't be pulled, no node for its "
            "requests, a controller that doesn't answer it, or a configuration that it can't load",
        )
    if not ready:
        return ok(step, f"{programmed}; its proxies are not in namespace {proxies.namespace}")
    evidence = f"{programmed}, {len(ready)} of {len(proxies.pods)} proxies Ready"
    if why := unready(cluster, proxies.namespace, proxies.pods):
        return warning(
            step, f"{evidence}; {why}", "fewer proxies than planned, or a rollout under way", "the reason above"
        )
    return ok(step, evidence)


def refused_epp(cluster: Cluster, proxies: Proxies) -> str:
    """Return Envoy's detail about the last request that the EPP did not answer, from a proxy's access log.

    Empty without an access log, or where logs may not be read.
    """
    deadline = time.monotonic() + FLUSH_SECONDS
    while not (found := _refused_epp(cluster, proxies)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _refused_epp(cluster: Cluster, proxies: Proxies) -> str:
    for pod in proxies.pods:
        for container in pod["spec"]["containers"]:
            try:
                log = cluster.log(proxies.namespace, name(pod), container["name"], tailLines=_LINES)
            except Unreachable:
                continue
            if found := _REFUSED_EPP.findall(log):
                return str(found[-1])
    return ""


def _labelled(cluster: Cluster, path: str, gateway: str) -> Sequence[Object]:
    return list(cluster.get(path, labelSelector=f"{LABEL}={gateway}")["items"])


def _why_empty(cluster: Cluster, namespace: str, gateway: str) -> str:
    try:
        deployments = _labelled(cluster, f"/apis/apps/v1/namespaces/{namespace}/deployments", gateway)
    except Unreachable:
        return ""
    for deployment in deployments:
        if deployment["spec"].get("replicas") == 0:
            return f"Deployment {name(deployment)} asks for 0 replicas"
        conditions = deployment.get("status", {}).get("conditions") or []
        refused = [one["message"] for one in conditions if one["type"] == "ReplicaFailure" and one["status"] == "True"]
        return f"Deployment {name(deployment)}: {refused[0] if refused else 'no pod exists yet'}"
    return ""
