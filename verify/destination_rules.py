"""istio's DestinationRules for the EPP: without one the proxy speaks plaintext to a port that expects TLS.

The order of lookup is istio's (istio/istio, pilot/pkg/model/push_context.go, destinationRule, read at 1.31): the
gateway's namespace, the EPP's, then the mesh's root namespace, in each the most specific host.
"""

from collections.abc import Sequence

from verify.cluster import Cluster, Object
from verify.finding import Unreachable
from verify.pods import name

_PATH = "/apis/networking.istio.io/v1beta1/namespaces/{}/destinationrules"
ROOT = "istio-system"
"""The mesh's root namespace, unless its MeshConfig says otherwise."""


def why_not_tls(cluster: Cluster, gateway_namespace: str, namespace: str, epp: str, port: int) -> str:
    """Explain why a Gateway's proxies do not speak TLS to a port of the Service `epp`; empty if a rule makes them.

    A mesh can have its rule elsewhere, so a missing rule is the cause of a failure only where there is a failure.
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
