"""The way of a request before the workers: Gateway, HTTPRoute, InferencePool, endpoint picker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from verify.cluster import Cluster, Object
from verify.finding import Finding, Unreachable, absent, failed, ok, warning
from verify.outputs import Outputs
from verify.tiers import Tier, is_ready, name, pods_of, why_not_ready

POOLS = "/apis/inference.networking.k8s.io/v1"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1"
_APPLY = "`pulumi refresh`, then `pulumi up`"


@dataclass(frozen=True)
class Entrance:
    """A Gateway: where it is, and the Service in front of its proxies, if it has one."""

    namespace: str
    name: str
    address: str
    service: str | None
    port: int
    scheme: str = "http"
    path: str = ""
    """Before `/v1`, where the route takes a part of the Gateway's paths only."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the route asks of a request besides, a host name included."""


def judge_pool(cluster: Cluster, outputs: Outputs, tiers: Sequence[Tier]) -> tuple[Finding, Object | None]:
    """Say whether the pool exists and selects exactly this stack's Ready workers, of both roles."""
    step = "pool"
    try:
        pool = cluster.get(f"{POOLS}/namespaces/{outputs.namespace}/inferencepools/{outputs.pool}")
    except Unreachable as missing:
        return absent(step, missing, "the gateway has no workers to send requests to"), None
    selected = {name(pod) for pod in pods_of(cluster, outputs.namespace, _selector(pool))}
    ours = {tier.role: {name(pod) for pod in tier.pods} for tier in tiers}
    ready = {tier.role: len({name(pod) for pod in tier.ready} & selected) for tier in tiers}
    evidence = f"{outputs.pool} selects " + " and ".join(f"{count} Ready {role}" for role, count in ready.items())
    strangers = selected - set().union(*ours.values())
    if not all(ready.values()):
        return failed(
            step,
            evidence,
            "decode workers compute the prompts too" if ready.get("decode") else "every request fails: 429 or 503",
            f"the pods need the labels {_written(_selector(pool))}: {_APPLY}",
        ), pool
    if strangers:
        return warning(
            step,
            f"{evidence}, and pods of nobody here: {', '.join(sorted(strangers))}",
            "the picker may send requests to them",
            "another install with the same serving.postfix in this namespace? Give one of them another",
        ), pool
    return ok(step, evidence), pool


def judge_picker(cluster: Cluster, outputs: Outputs, pool: Object) -> tuple[Finding, str | None]:
    """Say whether the pool's endpoint picker is Ready; return its configuration file's text too."""
    step = "picker"
    reference = pool["spec"].get("endpointPickerRef")
    if not reference:
        return failed(step, f"{name(pool)} names none", "requests land on any worker, prefill or decode", _APPLY), None
    try:
        service = cluster.get(f"/api/v1/namespaces/{outputs.namespace}/services/{reference['name']}")
        pods = pods_of(cluster, outputs.namespace, service["spec"].get("selector") or {})
        text = _configuration(cluster, outputs.namespace, pods)
    except Unreachable as missing:
        return absent(step, missing, "nobody chooses workers for requests"), None
    ready = [pod for pod in pods if is_ready(pod)]
    mode = reference.get("failureMode", "FailClose")
    evidence = f"{len(ready)} Ready ({reference['name']}, failure mode {mode})"
    if not ready:
        outcome = "requests fail" if mode == "FailClose" else "requests land on any worker, prefill or decode"
        why = "; ".join(f"{name(pod)}: {why_not_ready(pod)}" for pod in pods) or "it has no pod"
        return failed(step, f"{evidence}; {why}", outcome, "its log: a wrong configuration or missing rights"), text
    return ok(step, evidence), text


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
    """Find the HTTPRoute that leads to the pool, and say whether its Gateway took it; return its spec."""
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
    route = mine[0]
    if not route["spec"].get("parentRefs"):
        return failed(step, f"{name(route)} belongs to no Gateway", "requests have no way in", _APPLY), None
    told = [one.get("conditions") or [] for one in (route.get("status") or {}).get("parents") or []]
    wrong = _unmet([one for conditions in told for one in conditions], ("Accepted", "ResolvedRefs"))
    if wrong:
        return failed(
            step,
            f"{name(route)}: {wrong}",
            "the gateway doesn't send requests to the pool",
            "does the controller of this GatewayClass run, with the inference extension switched on?",
        ), dict(route["spec"])
    return ok(step, f"{name(route)} leads to {outputs.pool}: Accepted, ResolvedRefs"), dict(route["spec"])


def judge_gateway(cluster: Cluster, outputs: Outputs, route: Object) -> tuple[Finding, Entrance | None]:
    """Say whether the Gateway of a route is Programmed and has an address."""
    step, reference = "gateway", route["parentRefs"][0]
    namespace = reference.get("namespace", outputs.namespace)
    try:
        gateway = cluster.get(f"{GATEWAYS}/namespaces/{namespace}/gateways/{reference['name']}")
        services = cluster.get(
            f"/api/v1/namespaces/{namespace}/services",
            labelSelector=f"gateway.networking.k8s.io/gateway-name={reference['name']}",
        )["items"]
    except Unreachable as missing:
        return absent(step, missing, "there is no way in"), None
    status = gateway.get("status") or {}
    addresses = [one["value"] for one in status.get("addresses") or []]
    listener = _listener(gateway, reference)
    port, scheme = int(listener["port"]), "https" if listener["protocol"] == "HTTPS" else "http"
    address, service = addresses[0] if addresses else "", _first(services)
    entrance = Entrance(namespace, name(gateway), address, service, port, scheme, *_wanted(route))
    wrong = _unmet(status.get("conditions") or [], ("Accepted", "Programmed"))
    if wrong or not addresses:
        return failed(
            step,
            f"{name(gateway)}: {wrong or 'Programmed, but without an address'}",
            "clients have no way in",
            f"does a controller serve GatewayClass {gateway['spec']['gatewayClassName']}? A LoadBalancer without "
            "address: no load balancer in this cluster, set serving.gateway.serviceType: ClusterIP",
        ), entrance
    return ok(step, f"{name(gateway)} Programmed at {addresses[0]}:{port}"), entrance


def _listener(gateway: Object, reference: Object) -> Object:
    """Return the listener that the route names, or else the first."""
    listeners: list[Object] = gateway["spec"]["listeners"]
    return next((one for one in listeners if one["name"] == reference.get("sectionName")), listeners[0])


def _wanted(route: Object) -> tuple[str, dict[str, str]]:
    """Return the path before `/v1` and the headers by which a route knows its requests."""
    match = (route["rules"][0].get("matches") or [{}])[0]
    headers = {one["name"]: one["value"] for one in match.get("headers") or []}
    if names := route.get("hostnames"):
        headers["Host"] = names[0].replace("*", "any", 1)
    return (match.get("path") or {}).get("value", "/").rstrip("/"), headers


def judge_envoy(cluster: Cluster, outputs: Outputs) -> tuple[Finding, Entrance | None]:
    """Say whether the stack's own Envoy is Ready behind its Service."""
    step = "gateway"
    try:
        service = cluster.get(f"/api/v1/namespaces/{outputs.namespace}/services/{outputs.gateway}")
        pods = pods_of(cluster, outputs.namespace, service["spec"].get("selector") or {})
    except Unreachable as missing:
        return absent(step, missing, "there is no way in"), None
    first = service["spec"]["ports"][0]  # its name is what is spoken there
    port = int(first["port"])
    entrance = Entrance(outputs.namespace, outputs.gateway, "", outputs.gateway, port, first["name"])
    ready = [pod for pod in pods if is_ready(pod)]
    if not ready:
        why = "; ".join(f"{name(pod)}: {why_not_ready(pod)}" for pod in pods) or "it has no pod"
        return failed(
            step,
            f"no Envoy is Ready behind Service {outputs.gateway}; {why}",
            "clients have no way in",
            "its log: an image without Envoy, or a configuration that it refuses",
        ), entrance
    return ok(
        step, f"{len(ready)} Envoy{'s' * (len(ready) > 1)} Ready behind Service {outputs.gateway}:{port}"
    ), entrance


def _selector(pool: Object) -> dict[str, str]:
    return dict(pool["spec"]["selector"].get("matchLabels") or {})


def _written(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _first(services: Sequence[Object]) -> str | None:
    return name(services[0]) if services else None


def _leads_to(route: Object, pool: str) -> bool:
    return any(
        backend.get("kind") == "InferencePool" and backend["name"] == pool
        for rule in route["spec"].get("rules") or []
        for backend in rule.get("backendRefs") or []
    )


def _unmet(conditions: Sequence[Object], wanted: Sequence[str]) -> str:
    """Return the controller's words about the first wanted condition that isn't true, or an empty text."""
    for kind in wanted:
        found = [one for one in conditions if one["type"] == kind]
        if not found:
            return f"no controller has set {kind}"
        for one in found:
            if one["status"] != "True":
                return f"not {kind}: {one.get('reason', '')} {one.get('message', '')}".strip()
    return ""
