"""Checks that the gateway asks the EPP about each request. Without the EPP, any worker can answer."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from verify import proxies
from verify.cluster import Cluster, Object
from verify.finding import Finding, Unreachable, failed, warning
from verify.legs import Trial
from verify.outputs import Outputs
from verify.pods import name
from verify.routing import EPP_PORT, GATEWAYS, Endpoint

_PATH = "/apis/networking.istio.io/v1beta1/namespaces/{}/destinationrules"
ROOT = "istio-system"
"""The mesh's root namespace, unless its MeshConfig says otherwise."""
_ROUTE = "the EPP chooses no worker: any pod of the pool gets the request, and no prefill worker is asked"
_RULE_BACK = "`pulumi refresh`, then `pulumi up` bring the stack's DestinationRule back"


@dataclass(frozen=True)
class RequestPath:
    """The objects that a request through the gateway depends on, as far as they were found."""

    cluster: Cluster
    outputs: Outputs
    endpoint: Endpoint
    pool: Object | None
    route: Object | None
    """The HTTPRoute; None with the stack's own Envoy."""


def judge_asked(path: RequestPath, trials: Sequence[Trial], refused: Callable[[], bool]) -> Finding | None:
    """Report requests that were answered without the EPP; None if the gateway asked the EPP about each request.

    The EPP adds a header to each answer, unless the gateway does not show it the answers. If no answer has the header,
    `refused` decides: it sends a request that only an EPP refuses with a text of its own.
    """
    step, asked = "route", sum(trial.answer.marked for trial in trials)
    if asked == len(trials) or (not asked and refused()):
        return None
    evidence = f"{len(trials) - asked} of {len(trials)} requests answered without asking the EPP"
    if asked:
        return warning(step, evidence, _ROUTE, "the EPP's log, and the gateway's: they lose each other at times")
    if why := _suspects(path):
        remedy = "remove it, or let it leave the stack's requests alone"
        return failed(step, "; ".join([evidence, *why]), _ROUTE, remedy)
    with suppress(Unreachable):
        if fault := _tls_fault(path):
            return failed(step, f"{evidence}; {fault}", _ROUTE, _RULE_BACK)
    return failed(step, evidence, _ROUTE, "is the inference extension of the Gateway's controller switched on?")


def explain_500(path: RequestPath, finding: Finding) -> Finding:
    """Add the reason to a request that failed with status 500 and no text, as far as the cluster shows it.

    Envoy answers this way when its external processor (the EPP) fails. The failure mode makes no difference once the
    EPP's Service has an endpoint.
    """
    if path.pool is None:
        return finding
    evidence = "; an answer without text is the gateway's own"
    if detail := proxies.refused_epp(path.cluster, path.endpoint.proxies):
        evidence += f"; the proxy logs {detail}"
    meaning, remedy = finding.meaning, finding.remedy
    try:
        fault = _tls_fault(path)
    except Unreachable as hidden:
        evidence += f"; DestinationRules can't be read: {hidden}"
        remedy = hidden.remedy
    else:
        if fault:
            evidence += f"; {fault}"
            meaning = "the EPP takes TLS with a certificate that it signs itself, and nothing else: every request fails"
            remedy = _RULE_BACK
    return replace(finding, evidence=finding.evidence + evidence, meaning=meaning, remedy=remedy)


def _tls_fault(path: RequestPath) -> str:
    """Explain why istio's proxies do not speak TLS to the EPP; empty if they do, and with any other gateway.

    Raises `Unreachable` when the DestinationRules may not be read.
    """
    epp = path.pool["spec"].get("endpointPickerRef") if path.pool else None
    if not (path.outputs.istio and epp):
        return ""
    port = (epp.get("port") or {}).get("number", EPP_PORT)
    return why_not_tls(path.cluster, path.endpoint.proxies.namespace, path.outputs.namespace, epp["name"], port)


def _suspects(path: RequestPath) -> list[str]:
    """List known reasons for which a controller does not ask the EPP."""
    if path.route is None:
        return []
    found = []
    filters = {one["type"] for rule in path.route["spec"].get("rules") or [] for one in rule.get("filters") or []}
    if "CORS" in filters and path.outputs.istio:
        found.append("its route has a CORS filter, for which istio drops the EPP from the route")
    return found + _rivals(path)


def _rivals(path: RequestPath) -> list[str]:
    """List other routes of the Gateway (in its and the stack's namespace) that lead to Services."""
    found = []
    for namespace in dict.fromkeys((path.outputs.namespace, path.endpoint.proxies.namespace)):
        try:
            routes = path.cluster.get(f"{GATEWAYS}/namespaces/{namespace}/httproutes")["items"]
        except Unreachable:
            continue
        for route in routes:
            parents = {one["name"] for one in route["spec"].get("parentRefs") or []}
            backends = [one for rule in route["spec"].get("rules") or [] for one in rule.get("backendRefs") or []]
            plain = [one["name"] for one in backends if one.get("kind", "Service") == "Service"]
            if path.endpoint.name in parents and plain:
                found.append(f"HTTPRoute {name(route)} of the same Gateway leads to Service {', '.join(plain)}")
    return found


def why_not_tls(cluster: Cluster, gateway_namespace: str, namespace: str, epp: str, port: int) -> str:
    """Explain why a Gateway's proxies do not speak TLS to a port of the Service `epp`; empty if a rule makes them.

    The order of lookup is istio's (istio/istio, pilot/pkg/model/push_context.go, destinationRule, read at 1.31): the
    Gateway's namespace, the EPP's, then the mesh's root namespace, in each the most specific host. A mesh can have its
    rule elsewhere, so a missing rule is the cause of a failure only where there is a failure.
    Raises `Unreachable` when the rules of the Gateway's or the EPP's namespace may not be read.
    """
    host = f"{epp}.{namespace}.svc.cluster.local"
    near: list[str] = []
    for place in dict.fromkeys((gateway_namespace, namespace, ROOT)):
        try:
            rules = cluster.get(_PATH.format(place))["items"]
        except Unreachable as hidden:
            if hidden.missing or place == ROOT:
                continue
            raise
        if rule := _most_specific(rules, host):
            return _judged(rule, place, host, port)
        near += [f"{name(one)} is for {one['spec'].get('host')}" for one in rules if epp in name(one)]
    where = " or ".join(dict.fromkeys((gateway_namespace, namespace)))
    return "; ".join([f"plaintext to the EPP: no DestinationRule in namespace {where} is for {host}", *near])


def _judged(rule: Object, place: str, host: str, port: int) -> str:
    """Name the TLS setting of a rule that does not fit the EPP's self-signed certificate."""
    policy = rule["spec"].get("trafficPolicy") or {}
    ports = {one["port"]["number"]: one for one in policy.get("portLevelSettings") or []}
    tls = ports.get(port, policy).get("tls") or {}  # settings of a port replace those of the host
    mode, rule_name = tls.get("mode", "DISABLE"), f"DestinationRule {name(rule)} in namespace {place}"
    if mode != "SIMPLE":
        return f"{rule_name} has TLS mode {mode} for {host}, not SIMPLE"
    if not tls.get("insecureSkipVerify"):
        return f"{rule_name} lacks insecureSkipVerify for {host}: the EPP's certificate is self-signed"
    return ""


def _most_specific(rules: Sequence[Object], host: str) -> Object | None:
    matching = [one for one in rules if _matches(_full(one), host)]
    return max(matching, key=lambda one: len(_full(one).lstrip("*")), default=None)


def _full(rule: Object) -> str:
    """Return a rule's host; a short name is one of the rule's own namespace."""
    host = str(rule["spec"].get("host", ""))
    return host if "." in host or "*" in host else f"{host}.{rule['metadata']['namespace']}.svc.cluster.local"


def _matches(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*") else host == pattern
