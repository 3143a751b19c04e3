"""Checks the objects that a request passes before the workers: Gateway, HTTPRoute, InferencePool, endpoint picker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from verify import proxies
from verify.cluster import Cluster, Object
from verify.finding import Finding, Unreachable, absent, failed, ok, warning
from verify.outputs import Outputs
from verify.pods import is_ready, name
from verify.proxies import Proxies
from verify.tiers import Tier, containers, pods_of
from verify.words import unready

POOLS = "/apis/inference.networking.k8s.io/v1"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1"
_APPLY = "`pulumi refresh`, then `pulumi up`"
_SILENT = "no controller has set"
_CONTROLLER = "does the controller of this GatewayClass run, with the inference extension switched on?"
_ROUTE_REMEDIES = {
    "RefNotPermitted": "a ReferenceGrant in the backend's namespace",
    "NoMatchingParent": "sectionName and port of the route's parentRef, and the names of the Gateway's listeners",
    "NotAllowedByListeners": "allowedRoutes of the Gateway's listener",
    "NoMatchingListenerHostname": "host names of the route and of the Gateway's listener",
}
"""Remedies by the reason of a condition (Gateway API, RouteConditionReason)."""
EPP_PORT, EPP_PORT_NAME = 9002, "grpc"
"""An InferencePool's default port of its EPP, and the name of that port in the EPP's pods."""


@dataclass(frozen=True)
class Endpoint:
    """A Gateway, or the stack's own Envoy: the proxies that serve it, and how a request reaches them."""

    proxies: Proxies
    name: str
    address: str
    port: int
    scheme: str = "http"
    path: str = ""
    """Prefix before `/v1`, if the route takes only a part of the Gateway's paths."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that the route requires, including a host name."""

    @property
    def service(self) -> str | None:
        return self.proxies.service


def judge_pool(cluster: Cluster, outputs: Outputs, tiers: Sequence[Tier]) -> tuple[Finding, Object | None]:
    """Report whether the pool exists and selects exactly this stack's Ready workers of both roles."""
    step = "pool"
    try:
        pool = cluster.get(f"{POOLS}/namespaces/{outputs.namespace}/inferencepools/{outputs.pool}")
    except Unreachable as missing:
        return absent(step, missing, "the gateway has no workers to send requests to"), None
    selected = {name(pod) for pod in pods_of(cluster, outputs.namespace, _selector(pool))}
    own = {tier.role: {name(pod) for pod in tier.pods} for tier in tiers}
    ready = {tier.role: len({name(pod) for pod in tier.ready} & selected) for tier in tiers}
    evidence = f"{outputs.pool} selects " + " and ".join(f"{count} Ready {role}" for role, count in ready.items())
    others = selected - set().union(*own.values())
    if not all(ready.values()):
        return failed(
            step,
            evidence,
            "decode workers compute the prompts too" if ready.get("decode") else "every request fails: 429 or 503",
            f"the pods need the labels {_written(_selector(pool))}: {_APPLY}",
        ), pool
    if others:
        return warning(
            step,
            f"{evidence}, and pods that are not this stack's: {', '.join(sorted(others))}",
            "the picker may send requests to them",
            "another install with the same serving.postfix in this namespace? Give one of them another",
        ), pool
    return ok(step, evidence), pool


def judge_picker(cluster: Cluster, outputs: Outputs, pool: Object) -> tuple[Finding, str | None]:
    """Report whether the pool's endpoint picker is Ready; also return the text of its configuration file."""
    step = "picker"
    reference = pool["spec"].get("endpointPickerRef")
    if not reference:
        return failed(step, f"{name(pool)} names none", "requests land on any worker, prefill or decode", _APPLY), None
    try:
        service = cluster.get(f"/api/v1/namespaces/{outputs.namespace}/services/{reference['name']}")
        pods = pods_of(cluster, outputs.namespace, service["spec"].get("selector") or {})
        text = _configuration(cluster, outputs.namespace, pods)
    except Unreachable as missing:
        return absent(step, missing, "no picker chooses workers for requests"), None
    ready = [pod for pod in pods if is_ready(pod)]
    mode = reference.get("failureMode", "FailClose")
    evidence = f"{len(ready)} Ready ({reference['name']}, failure mode {mode})"
    if not ready:
        outcome = "requests fail" if mode == "FailClose" else "requests land on any worker, prefill or decode"
        why = unready(cluster, outputs.namespace, pods) or "it has no pod"
        return failed(step, f"{evidence}; {why}", outcome, "its log: a wrong configuration or missing rights"), text
    if wrong := _misled(reference, service, ready[0]):
        return failed(step, f"{evidence}; {wrong}", "the gateway can't ask it: requests fail with 500", _APPLY), text
    return ok(step, evidence), text


def _misled(reference: Object, service: Object, pod: Object) -> str:
    """Explain how the pool's port misses the EPP's gRPC port, which no controller reports; empty if it is right."""
    wanted = (reference.get("port") or {}).get("number", EPP_PORT)
    ports = {port["port"]: port for port in service["spec"].get("ports") or []}
    if wanted not in ports:
        there = ", ".join(str(port) for port in ports) or "none"
        return f"the pool asks port {wanted} of Service {name(service)}, which has {there}"
    target = ports[wanted].get("targetPort", wanted)
    named = {port.get("name"): port["containerPort"] for one in containers(pod) for port in one.get("ports") or []}
    number, grpc = named.get(target, target), named.get(EPP_PORT_NAME)
    if grpc is not None and number != grpc:
        return f"Service {name(service)} leads port {wanted} to {target} of the pods; they answer on {grpc}"
    return ""


def _configuration(cluster: Cluster, namespace: str, pods: Sequence[Object]) -> str | None:
    """Read the ConfigMap that the picker's pod mounts; its only key is the configuration file."""
    for pod in pods:
        for volume in pod["spec"].get("volumes") or []:
            reference = volume.get("configMap")
            if reference and not reference["name"].startswith("kube-root-ca"):
                data = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/{reference['name']}").get("data") or {}
                return next((text for text in data.values() if "EndpointPickerConfig" in text), None)
    return None


def judge_route(cluster: Cluster, outputs: Outputs) -> tuple[Finding, Object | None]:
    """Find the HTTPRoute that leads to the pool, and report whether its Gateway accepted it."""
    step = "route"
    try:
        routes = cluster.get(f"{GATEWAYS}/namespaces/{outputs.namespace}/httproutes")["items"]
    except Unreachable as missing:
        return absent(step, missing, "the gateway leads nowhere"), None
    mine = [route for route in routes if _leads_to(route, outputs.pool)]
    if not mine:
        seen = ", ".join(name(route) for route in routes) or "none"
        return failed(
            step,
            f"no HTTPRoute leads to {outputs.pool} (there are: {seen})",
            "the gateway answers 404",
            _APPLY,
        ), None
    route = min(mine, key=_headers)  # the route of a generation's trial asks for one more header
    if not route["spec"].get("parentRefs"):
        return failed(step, f"{name(route)} belongs to no Gateway", "no request reaches the pool", _APPLY), None
    parents = [one.get("conditions") or [] for one in (route.get("status") or {}).get("parents") or []]
    wrong = _unmet(route, [one for conditions in parents for one in conditions], ("Accepted", "ResolvedRefs"))
    if wrong:
        return failed(
            step,
            f"{name(route)}: {wrong}",
            "the gateway doesn't send requests to the pool",
            next((remedy for reason, remedy in _ROUTE_REMEDIES.items() if reason in wrong), _CONTROLLER),
        ), route
    return _led(cluster, outputs, route), route


def _headers(route: Object) -> int:
    matches = [match for rule in route["spec"].get("rules") or [] for match in rule.get("matches") or []]
    return sum(len(match.get("headers") or []) for match in matches)


def is_judged(route: Object) -> bool:
    """Whether a controller has set a condition on the current generation of a route."""
    parents = [one.get("conditions") or [] for one in (route.get("status") or {}).get("parents") or []]
    return not _unmet(route, [{**one, "status": "True"} for conditions in parents for one in conditions], ("Accepted",))


def _led(cluster: Cluster, outputs: Outputs, route: Object) -> Finding:
    """Check the backends of an accepted route for mistakes that no controller reports."""
    step, place = "route", route["metadata"]["namespace"]
    rules = [rule.get("backendRefs") or [] for rule in route["spec"].get("rules") or []]
    for backend in (one for backends in rules for one in backends):
        wrong = _portless(cluster, place, backend)
        if wrong and _is_pool(backend, outputs.pool):
            meaning = "istio ignores the port of a pool (read at 1.31); other controllers may not"
            return warning(step, f"{name(route)} {wrong}", meaning, _APPLY)
        if wrong:
            return failed(step, f"{name(route)} {wrong}", "requests of this rule fail with 500 or 503", _APPLY)
    for backends in rules:
        weighted = [one["name"] for one in backends if one.get("weight", 1)]
        if len(weighted) > 1 and outputs.pool in weighted:
            return warning(
                step,
                f"{name(route)} shares a rule out to {', '.join(weighted)}",
                "istio before the fix of istio/istio#61594 asks one EPP for the whole rule: that of the last backend, "
                "or none if that is no InferencePool; prefill and decode then come from different pools",
                "one pool per rule",
            )
    return ok(step, f"{name(route)} leads to {outputs.pool}: Accepted, ResolvedRefs")


def _portless(cluster: Cluster, namespace: str, backend: Object) -> str:
    """Report a backend without the port that the route names; empty if it has the port or can't be read."""
    kind, place, port = backend.get("kind", "Service"), backend.get("namespace", namespace), backend.get("port")
    paths = {
        "Service": f"/api/v1/namespaces/{place}/services/{backend['name']}",
        "InferencePool": f"{POOLS}/namespaces/{place}/inferencepools/{backend['name']}",
    }
    if port is None or kind not in paths:
        return ""
    try:
        spec = cluster.get(paths[kind])["spec"]
    except Unreachable:
        return ""  # the controller itself reports a missing backend
    ports = [one.get("port") or one.get("number") for one in spec.get("ports") or spec.get("targetPorts") or []]
    if port in ports:
        return ""
    there = ", ".join(str(one) for one in ports) or "none"
    return f"sends to port {port} of {kind} {backend['name']}, which has {there}"


def judge_gateway(cluster: Cluster, outputs: Outputs, route: Object) -> tuple[Finding, Endpoint | None]:
    """Report whether the route's Gateway is Programmed and has an address and a Ready proxy."""
    step, reference = "gateway", route["spec"]["parentRefs"][0]
    namespace = reference.get("namespace", outputs.namespace)
    try:
        gateway = cluster.get(f"{GATEWAYS}/namespaces/{namespace}/gateways/{reference['name']}")
    except Unreachable as missing:
        return absent(step, missing, "clients have no address to connect to"), None
    made = proxies.of(cluster, namespace, reference["name"])
    status = gateway.get("status") or {}
    addresses = [one["value"] for one in status.get("addresses") or []]
    listener = _listener(gateway, reference)
    port, scheme = int(listener["port"]), "https" if listener["protocol"] == "HTTPS" else "http"
    address = addresses[0] if addresses else ""
    endpoint = Endpoint(made, name(gateway), address, port, scheme, *_wanted(route))
    wrong = _unmet(gateway, status.get("conditions") or [], ("Accepted", "Programmed"))
    refused = _refused_listeners(status)
    if wrong or not addresses or listener["name"] in refused:
        said = "; ".join([wrong, *refused.values()] if wrong else refused.values())
        return failed(
            step,
            f"{name(gateway)}: {said or _without_address(status)}",
            "clients can't connect",
            _gateway_remedy(gateway, wrong, refused, made),
        ), endpoint
    programmed = f"{name(gateway)} Programmed at {address}:{port}"
    if refused and (namespace, name(gateway)) == (outputs.namespace, outputs.gateway):
        said = "; ".join(refused.values())
        return warning(
            step, f"{programmed}; {said}", "clients of that listener can't connect", "the listener's certificate"
        ), endpoint
    return proxies.judge(cluster, made, programmed), endpoint


def _gateway_remedy(gateway: Object, wrong: str, refused: Mapping[str, str], made: Proxies) -> str:
    if refused:
        return "the Secret, or the ReferenceGrant for it, that the listener's condition names"
    if _SILENT in wrong or (made.service is None and not made.hidden):
        return (
            f"does a controller serve GatewayClass {gateway['spec']['gatewayClassName']}? If it does, its log says why "
            "it made no Service: istio makes none if the ConfigMap of spec.infrastructure.parametersRef is missing, or "
            "has a key that it doesn't know"
        )
    return (
        "a LoadBalancer without address: no load balancer in this cluster, set serving.gateway.serviceType: ClusterIP"
    )


def _without_address(status: Object) -> str:
    """Report a Programmed Gateway without an address, with its controller's message."""
    words = [one.get("message") for one in status.get("conditions") or [] if one["type"] == "Programmed"]
    return f"Programmed, but without an address ({words[0]})" if words and words[0] else "Programmed without an address"


def _refused_listeners(status: Object) -> dict[str, str]:
    """Return the controller's message about each listener that does not serve, by the listener's name."""
    wanted = ("ResolvedRefs", "Accepted", "Programmed")  # the first names the reference
    found = {}
    for listener in status.get("listeners") or []:
        conditions = {one["type"]: one for one in listener.get("conditions") or []}
        bad = next((conditions[kind] for kind in wanted if conditions.get(kind, {}).get("status") == "False"), None)
        if bad:
            found[listener["name"]] = f"listener {listener['name']}: {bad.get('reason', '')} {bad.get('message', '')}"
    return found


def _listener(gateway: Object, reference: Object) -> Object:
    """Return the listener that the route names, else the first one."""
    listeners: list[Object] = gateway["spec"]["listeners"]
    return next((one for one in listeners if one["name"] == reference.get("sectionName")), listeners[0])


def _wanted(route: Object) -> tuple[str, dict[str, str]]:
    """Return the path before `/v1` and the headers that a route matches."""
    match = (route["spec"]["rules"][0].get("matches") or [{}])[0]
    headers = {one["name"]: one["value"] for one in match.get("headers") or []}
    if names := route["spec"].get("hostnames"):
        headers["Host"] = names[0].replace("*", "any", 1)
    return (match.get("path") or {}).get("value", "/").rstrip("/"), headers


def judge_envoy(cluster: Cluster, outputs: Outputs) -> tuple[Finding, Endpoint | None]:
    """Report whether the stack's own Envoy is Ready behind its Service."""
    step = "gateway"
    try:
        service = cluster.get(f"/api/v1/namespaces/{outputs.namespace}/services/{outputs.gateway}")
        pods = pods_of(cluster, outputs.namespace, service["spec"].get("selector") or {})
    except Unreachable as missing:
        return absent(step, missing, "clients have no address to connect to"), None
    first = service["spec"]["ports"][0]  # its name is the scheme
    port = int(first["port"])
    made = Proxies(outputs.namespace, outputs.gateway, pods, "", None)
    endpoint = Endpoint(made, outputs.gateway, "", port, first["name"])
    ready = [pod for pod in pods if is_ready(pod)]
    if not ready:
        why = unready(cluster, outputs.namespace, pods) or "it has no pod"
        return failed(
            step,
            f"no Envoy is Ready behind Service {outputs.gateway}; {why}",
            "clients can't connect",
            "its log: an image without Envoy, or a configuration that it refuses",
        ), endpoint
    return ok(
        step, f"{len(ready)} Envoy{'s' * (len(ready) > 1)} Ready behind Service {outputs.gateway}:{port}"
    ), endpoint


def _selector(pool: Object) -> dict[str, str]:
    return dict(pool["spec"]["selector"].get("matchLabels") or {})


def _written(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _leads_to(route: Object, pool: str) -> bool:
    return any(
        _is_pool(backend, pool)
        for rule in route["spec"].get("rules") or []
        for backend in rule.get("backendRefs") or []
    )


def _is_pool(backend: Object, pool: str) -> bool:
    return backend.get("kind") == "InferencePool" and backend["name"] == pool


def _unmet(judged: Object, conditions: Sequence[Object], wanted: Sequence[str]) -> str:
    """Return the controller's message about the first wanted condition that isn't true, or an empty text.

    A condition of an older generation says nothing about the object's current state.
    """
    generation = judged["metadata"].get("generation", 0)
    for kind in wanted:
        found = [one for one in conditions if one["type"] == kind]
        if not found:
            return f"{_SILENT} {kind}"
        for one in found:
            if one["status"] != "True":
                return f"not {kind}: {one.get('reason', '')} {one.get('message', '')}".strip()
            if one.get("observedGeneration", generation) < generation:
                return f"{_SILENT} {kind} since the object was changed (generation {generation})"
    return ""
