"""Pods: those that the plan will make, and those that run already."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.args import PlacementArgs
from components.names import gateway_pods
from components.plan import ServingPlan
from components.plan.fabric import rdma_setting
from components.plan.worker_args import ResolvedTier
from preflight.answers import Object
from preflight.quantity import Amounts, amounts, total

UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"
"""Field selector of the pods that count."""


@dataclass(frozen=True)
class Wanted:
    """A pod to be placed."""

    who: str
    """The component: prefill, decode, picker or gateway."""
    requests: Amounts
    path: str
    labels: Mapping[str, str] = field(default_factory=dict)
    placement: PlacementArgs = field(default_factory=PlacementArgs)
    ports: frozenset[int] = frozenset()
    limits: Amounts = field(default_factory=dict)
    further: frozenset[str] = frozenset()
    """The requested resources that its setting `resources` names."""
    rdma: str = ""
    """The setting of its RDMA device."""

    @property
    def devices(self) -> Amounts:
        """GPUs and adapters: what only some nodes have."""
        return {name: amount for name, amount in self.requests.items() if "/" in name}


def wanted(plan: ServingPlan) -> list[Wanted]:
    """Every pod of the plan, the gateway controller's proxy included, those that need most devices first."""
    sidecar = plan.decode.sidecar
    beside = amounts(sidecar.resources)
    pods = [_worker(plan, plan.decode.worker, {sidecar.port}, beside)] * plan.decode.worker.replicas
    pods += [_worker(plan, plan.prefill.worker, set(), {})] * plan.prefill.worker.replicas
    picker = Wanted(
        "picker",
        _with_itself(amounts(plan.picker.requests or plan.picker.limits)),
        "serving.routing",
        {**plan.picker.labels, **plan.picker.selector},
        plan.picker.placement,
        limits=amounts(plan.picker.limits),
    )
    pods += [picker] * plan.picker.replicas
    if plan.endpoint.service and not plan.gateway.existing:
        own = plan.gateway.standalone
        proxy = Wanted("gateway", _with_itself(amounts(plan.gateway.requests)), "serving.gateway")
        pods += [proxy] * (own.replicas if own else 1)
    return sorted(pods, key=lambda pod: -sum(pod.devices.values()))


def _worker(plan: ServingPlan, worker: ResolvedTier, sidecar: set[int], beside: Amounts) -> Wanted:
    ports = {worker.port, worker.nixl_port} | sidecar if worker.host_network else set[int]()
    return Wanted(
        worker.role.value,
        _with_itself(total(amounts(worker.resources), beside)),
        f"serving.{worker.role.value}",
        worker.labels,
        worker.placement,
        frozenset(ports),
        limits=total(amounts(worker.limits), beside),
        further=frozenset(worker.further),
        rdma=rdma_setting(plan.settings, worker.role)[0],
    )


def _with_itself(requests: Amounts) -> Amounts:
    """The requests with the pod itself, because a node has a limit on the number of its pods."""
    return {**requests, "pods": 1000}


def slim(pod: Object) -> Object:
    """A pod with what the scheduler and the quotas count, and the names of its owners."""
    metadata, spec = pod["metadata"], pod["spec"]
    containers = {
        kind: [_slim_container(each) for each in spec.get(kind) or []] for kind in ("containers", "initContainers")
    }
    kept = {key: metadata[key] for key in ("name", "namespace", "labels", "ownerReferences") if key in metadata}
    return {
        "metadata": kept,
        "spec": {**{key: spec[key] for key in ("nodeName", "overhead") if key in spec}, **containers},
    }


def _slim_container(container: Object) -> Object:
    return {key: container[key] for key in ("resources", "restartPolicy", "ports") if key in container}


def replaced_by(pod: Object, plan: ServingPlan) -> bool:
    """Whether this plan replaces a running pod: it belongs to a Deployment or the Gateway of the stack."""
    metadata = pod["metadata"]
    if metadata.get("namespace") != plan.namespace.namespace:
        return False
    names = {plan.picker.name, plan.prefill.worker.name, plan.decode.worker.name}
    names |= {plan.gateway.standalone.name} if plan.gateway.standalone else set()
    proxy = gateway_pods(plan.gateway.name).items() <= (metadata.get("labels") or {}).items()
    return proxy or bool(made_by(pod) & names)


def made_by(pod: Object) -> set[str]:
    """The Deployment that a pod belongs to."""
    owners = [each for each in pod["metadata"].get("ownerReferences") or [] if each.get("kind") == "ReplicaSet"]
    return {str(each.get("name", "")).rpartition("-")[0] for each in owners}


def requested(pod: Object) -> Amounts:
    """What the scheduler counts for a pod: its containers and sidecars, or a greedier init container, and overhead."""
    return _with_itself(_taken(pod, "requests"))


def limited(pod: Object) -> Amounts:
    """What quotas count as a pod's limits."""
    return _taken(pod, "limits")


def _taken(pod: Object, which: str) -> Amounts:
    spec = pod["spec"]
    running = total(*(_resources(each, which) for each in spec["containers"]))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or []:
        own = _resources(container, which)
        if container.get("restartPolicy") == "Always":
            sidecars = total(sidecars, own)
        at_start = sidecars if container.get("restartPolicy") == "Always" else total(sidecars, own)
        peak = {name: max(peak.get(name, 0), at_start.get(name, 0)) for name in {*peak, *at_start}}
    running = total(running, sidecars)
    most = {name: max(running.get(name, 0), peak.get(name, 0)) for name in {*running, *peak}}
    return total(most, amounts(spec.get("overhead")))


def host_ports(pod: Object) -> Iterator[int]:
    """Ports of the node that a running pod has."""
    spec = pod["spec"]
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        yield from (int(port["hostPort"]) for port in container.get("ports") or [] if port.get("hostPort"))


def _resources(container: Mapping[str, Any], which: str) -> Amounts:
    return amounts((container.get("resources") or {}).get(which))
