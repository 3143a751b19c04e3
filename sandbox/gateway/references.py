"""What a route's backend references lead to: Services, pools and their pickers, with their endpoints."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.gateway.classes import GatewayClass
from sandbox.gateway.model import Backend, Cluster, Picker, Verdict
from sandbox.gateway.store import Key, Object, World
from sandbox.gateway.traffic import Policy, Tls, policy

POOL_GROUP = "inference.networking.k8s.io"
POOL_PORT = 54321
"""First port of the Service that istiod makes for a pool; nobody listens there, it only names the endpoints."""


def pool_service(pool: str) -> str:
    """Return the name of the headless Service that istiod makes to follow a pool's pods."""
    ending = f"-ip-{hashlib.sha256(pool.encode()).hexdigest()[:8]}"
    return f"{pool[: 63 - len(ending)]}{ending}"


class Resolver:
    """Resolves the references of the routes of one Gateway, and collects the clusters that they need."""

    def __init__(self, world: World, gateway: Key, gateway_class: GatewayClass) -> None:
        self._world, self._gateway, self._class = world, gateway, gateway_class
        self.clusters: dict[str, Cluster] = {}

    def backend(self, route: Object, reference: Object) -> tuple[Backend, Verdict | None]:
        """Return where a reference leads and, if it leads nowhere, why."""
        weight = reference.get("weight", 1)
        group, kind = reference.get("group", ""), reference.get("kind", "Service")
        key = (reference.get("namespace") or route["metadata"]["namespace"], reference["name"])
        nowhere = Backend(None, weight)
        if (group, kind) not in (("", "Service"), (POOL_GROUP, "InferencePool")):
            return nowhere, Verdict(False, "InvalidKind", f"{group or 'core'}/{kind} can't be a backend")
        if not permitted(self._world, ("HTTPRoute", route["metadata"]["namespace"]), (group, kind), key):
            return nowhere, Verdict(
                False, "RefNotPermitted", f"no ReferenceGrant in {key[0]} lets the route refer to {kind} {key[1]}"
            )
        target = self._world[kind].get(key)
        if target is None:
            return nowhere, Verdict(False, "BackendNotFound", f"there is no {kind} {key[0]}/{key[1]}")
        if kind == "Service":
            cluster = self._service(key, reference.get("port"))
            missing = f"Service {key[0]}/{key[1]} has no port {reference.get('port')}"
            return Backend(cluster, weight), None if cluster else Verdict(False, "BackendNotFound", missing)
        return self._pool(key, target, weight), None

    def _pool(self, key: Key, pool: Object, weight: int) -> Backend:
        service = (key[0], pool_service(key[1]))
        name = _cluster_name(service, POOL_PORT)
        slices = _slices(self._world, service)
        endpoints = sorted({(address, port["port"]) for one in slices for address, port in _ready(one)})
        self.clusters[name] = Cluster(name, tuple(endpoints), self._policy(service, POOL_PORT), picked=True)
        reference = pool["spec"]["endpointPickerRef"]
        port = (reference.get("port") or {}).get("number", 9002)
        asked = (key[0], reference["name"])
        picker = self._service(asked, port, picker=True) or self._nobody(asked, port)
        return Backend(name, weight, Picker(picker, reference.get("failureMode") == "FailOpen"))

    def _service(self, key: Key, number: int | None, *, picker: bool = False) -> str | None:
        port = _port(self._world, key, number)
        if port is None or number is None:
            return None
        name = _cluster_name(key, number)
        found = service_endpoints(self._world, key, number)
        rule = self._policy(key, number, picker=picker)
        self.clusters[name] = Cluster(name, tuple(found), rule, http2=_speaks_http2(port))
        return name

    def _nobody(self, key: Key, number: int) -> str:
        """A picker that isn't there: asking fails at once, and the pool's failure mode decides."""
        name = _cluster_name(key, number)
        self.clusters[name] = Cluster(name, (), http2=True)
        return name

    def _policy(self, service: Key, port: int, *, picker: bool = False) -> Policy:
        if self._class.istio:
            return policy(self._world, self._gateway[0], service, port)
        return Policy(Tls.UNVERIFIED) if picker else Policy()


def pool_references(world: World, pool: Object) -> Verdict:
    """Judge a pool's reference to its picker."""
    reference = pool["spec"]["endpointPickerRef"]
    kind, name = reference.get("kind", "Service"), reference["name"]
    if (reference.get("group", ""), kind) != ("", "Service"):
        return Verdict(False, "InvalidExtensionRef", f"the picker can only be a Service, not {kind}")
    namespace = pool["metadata"]["namespace"]
    service = world["Service"].get((namespace, name))
    if service is None:
        return Verdict(False, "InvalidExtensionRef", f"there is no Service {namespace}/{name}, the endpoint picker")
    number = (reference.get("port") or {}).get("number", 9002)
    if number not in [port["port"] for port in service["spec"].get("ports") or ()]:
        return Verdict(False, "InvalidExtensionRef", f"Service {namespace}/{name}, the picker, has no port {number}")
    return Verdict(True, "ResolvedRefs", "the endpoint picker was found")


def service_endpoints(world: World, service: Key, number: int) -> list[tuple[str, int]]:
    """Return address and port of what is ready behind a Service's port."""
    port = _port(world, service, number)
    if port is None:
        return []
    found = {
        (address, actual["port"])
        for one in _slices(world, service)
        for address, actual in _ready(one)
        if (actual.get("name") or "") == port.get("name", "")
    }
    return sorted(found)


def ready_pods(world: World, service: Key) -> dict[str, str]:
    """Return pod name → address of what is ready behind a Service."""
    found = {}
    for one in _slices(world, service):
        for endpoint in _ready_endpoints(one):
            found[endpoint.get("targetRef", {}).get("name", "")] = endpoint["addresses"][0]
    return found


def terminating(world: World, service: Key) -> list[str]:
    """Return the addresses of the pods behind a Service that are being ended."""
    endpoints = [endpoint for one in _slices(world, service) for endpoint in one.get("endpoints") or ()]
    return [one["addresses"][0] for one in endpoints if one.get("conditions", {}).get("terminating")]


def permitted(world: World, origin: tuple[str, str], target: tuple[str, str], key: Key) -> bool:
    """Whether `origin` (kind and namespace, of the Gateway API) may refer to an object of `target` (group and kind)."""
    group, kind = target
    if key[0] == origin[1]:
        return True
    wanted = {"group": "gateway.networking.k8s.io", "kind": origin[0], "namespace": origin[1]}
    for (where, _), grant in world["ReferenceGrant"].items():
        to = [(one.get("group", ""), one["kind"], one.get("name", key[1])) for one in grant["spec"]["to"]]
        if where == key[0] and wanted in grant["spec"]["from"] and (group, kind, key[1]) in to:
            return True
    return False


def _port(world: World, service: Key, number: int | None) -> Mapping[str, Any] | None:
    ports = world["Service"].get(service, {}).get("spec", {}).get("ports") or ()
    return next((one for one in ports if one["port"] == number), None)


def _slices(world: World, service: Key) -> Iterator[Object]:
    for (namespace, _), one in world["EndpointSlice"].items():
        labels = one["metadata"].get("labels", {})
        if namespace == service[0] and labels.get("kubernetes.io/service-name") == service[1]:
            yield one


def _ready_endpoints(one: Object) -> Iterator[Mapping[str, Any]]:
    for endpoint in one.get("endpoints") or ():
        if endpoint.get("conditions", {}).get("ready") is not False:
            yield endpoint


def _ready(one: Object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for endpoint in _ready_endpoints(one):
        for port in one.get("ports") or ():
            yield endpoint["addresses"][0], port


def _cluster_name(service: Key, port: int) -> str:
    """As istio names it."""
    return f"outbound|{port}||{service[1]}.{service[0]}.svc.cluster.local"


def _speaks_http2(port: Mapping[str, Any]) -> bool:
    """Whether istio takes a Service's port for HTTP/2: by `appProtocol`, else by the first word of its name."""
    protocol = port.get("appProtocol") or port.get("name", "").partition("-")[0]
    return protocol in ("grpc", "http2", "kubernetes.io/h2c")
