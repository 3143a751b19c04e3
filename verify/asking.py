"""Does the gateway ask the EPP about a request, and if not, why? Any worker can answer without it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from verify import destination_rules, proxies
from verify.cluster import Cluster, Object
from verify.finding import Finding, Unreachable, failed, warning
from verify.legs import Trial
from verify.outputs import Outputs
from verify.routing import EPP_PORT, GATEWAYS, Entrance
from verify.tiers import name

_ROUTE = "the EPP chooses no worker: any pod of the pool gets the request, and no prefill worker is asked"
_RULE_BACK = "`pulumi refresh`, then `pulumi up` bring the stack's DestinationRule back"


@dataclass(frozen=True)
class Way:
    """What a request through the gateway depends on, as far as it was found."""

    cluster: Cluster
    outputs: Outputs
    entrance: Entrance
    pool: Object | None
    route: Object | None
    """The HTTPRoute; None with the stack's own Envoy."""


def judge_asked(way: Way, trials: Sequence[Trial], refused: Callable[[], bool]) -> Finding | None:
    """Say that requests were answered without the EPP; None if it was asked about each.

    The EPP adds a header to each answer; a gateway that keeps answers from the EPP sends none. Then `refused` decides:
    it sends a request that the EPP refuses in words of its own.
    """
    step, asked = "route", sum(trial.answer.marked for trial in trials)
    if asked == len(trials) or (not asked and refused()):
        return None
    evidence = f"{len(trials) - asked} of {len(trials)} requests answered without asking the EPP"
    if asked:
        return warning(step, evidence, _ROUTE, "the EPP's log, and the gateway's: they lose each other at times")
    if why := _suspects(way):
        return failed(
            step, "; ".join([evidence, *why]), _ROUTE, "remove it, or let it leave the stack's requests alone"
        )
    with suppress(Unreachable):
        if fault := _tls_fault(way):
            return failed(step, f"{evidence}; {fault}", _ROUTE, _RULE_BACK)
    return failed(step, evidence, _ROUTE, "is the inference extension of the Gateway's controller switched on?")


def explain_500(way: Way, finding: Finding) -> Finding:
    """Add to a failed request with status 500 and no text what the cluster shows of the reason.

    Envoy answers so when its external processor, here the EPP, fails: whatever the failure mode, once the EPP's
    Service has an endpoint.
    """
    if way.pool is None:
        return finding
    evidence = "; an answer without text is the gateway's own"
    if detail := proxies.refused_epp(way.cluster, way.entrance.proxies):
        evidence += f", whose proxy logs {detail}"
    meaning, remedy = finding.meaning, finding.remedy
    try:
        fault = _tls_fault(way)
    except Unreachable as hidden:
        evidence += f"; DestinationRules can't be read: {hidden}"
        remedy = hidden.remedy
    else:
        if fault:
            evidence += f"; {fault}"
            meaning = "the EPP takes TLS with a certificate that it signs itself, and nothing else: every request fails"
            remedy = _RULE_BACK
    return replace(finding, evidence=finding.evidence + evidence, meaning=meaning, remedy=remedy)


def _tls_fault(way: Way) -> str:
    """Say why istio's proxies do not speak TLS to the EPP; empty if they do, and with any other gateway.

    Raises `Unreachable` when the DestinationRules may not be read.
    """
    epp = way.pool["spec"].get("endpointPickerRef") if way.pool else None
    if not (way.outputs.istio and epp):
        return ""
    port = (epp.get("port") or {}).get("number", EPP_PORT)
    return destination_rules.why_not_tls(
        way.cluster, way.entrance.proxies.namespace, way.outputs.namespace, epp["name"], port
    )


def _suspects(way: Way) -> list[str]:
    """Name what is known to keep a controller from asking the EPP."""
    if way.route is None:
        return []
    found = []
    filters = {one["type"] for rule in way.route["spec"].get("rules") or [] for one in rule.get("filters") or []}
    if "CORS" in filters and way.outputs.istio:
        found.append("its route has a CORS filter, for which istio drops the EPP from the route")
    return found + _rivals(way)


def _rivals(way: Way) -> list[str]:
    """Name other routes of the Gateway, in the stack's namespace and the Gateway's, that lead to no InferencePool."""
    found = []
    for namespace in dict.fromkeys((way.outputs.namespace, way.entrance.proxies.namespace)):
        try:
            routes = way.cluster.get(f"{GATEWAYS}/namespaces/{namespace}/httproutes")["items"]
        except Unreachable:
            continue
        for route in routes:
            parents = {one["name"] for one in route["spec"].get("parentRefs") or []}
            backends = [one for rule in route["spec"].get("rules") or [] for one in rule.get("backendRefs") or []]
            plain = [one["name"] for one in backends if one.get("kind", "Service") == "Service"]
            if way.entrance.name in parents and plain:
                found.append(f"HTTPRoute {name(route)} of the same Gateway leads to Service {', '.join(plain)}")
    return found
