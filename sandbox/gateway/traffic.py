"""istio's DestinationRules: how the gateway speaks to a host, above all to the picker."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sandbox.gateway.store import Object, World

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Tls(Enum):
    """How the other side is spoken to."""

    NONE = "plain text"
    UNVERIFIED = "TLS, any certificate"
    VERIFIED = "TLS, a certificate of a public authority"


@dataclass(frozen=True)
class Policy:
    """What the rule for one host and port says."""

    tls: Tls = Tls.NONE
    connections: Mapping[str, Any] = field(default_factory=dict)
    """`connectionPool` as written."""


def policy(world: World, gateway_namespace: str, service: tuple[str, str], port: int) -> Policy:
    """Return the policy for a Service's port as istio finds it: rules of the Gateway's namespace, then the Service's.

    Without a rule: plain text, as istio does outside the mesh; the picker, which serves TLS, then answers nobody.
    """
    namespace, name = service
    for place in dict.fromkeys((gateway_namespace, namespace)):
        rules = [rule for (where, _), rule in world["DestinationRule"].items() if where == place]
        rules = [rule for rule in rules if place == gateway_namespace or _exported(rule, gateway_namespace)]
        fitting = [rule for rule in rules if _names(rule["spec"]["host"], place, name, namespace)]
        if fitting:
            return _policy(min(fitting, key=lambda rule: rule["metadata"]["creationTimestamp"]), port)
    return Policy()


def seconds(duration: str) -> str:
    """Turn a duration such as "1m30s" into Envoy's "90s"."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s)", duration)
    return f"{sum(float(number) * _UNITS[unit] for number, unit in parts):g}s"


def _exported(rule: Object, namespace: str) -> bool:
    to: Iterable[str] = rule["spec"].get("exportTo") or ("*",)
    return "*" in to or namespace in to


def _names(host: str, rule_namespace: str, name: str, namespace: str) -> bool:
    full = f"{name}.{namespace}.svc.cluster.local"
    if "." not in host:
        return host == "*" or f"{host}.{rule_namespace}.svc.cluster.local" == full
    return full.endswith(host[1:]) if host.startswith("*") else host == full


def _policy(rule: Object, port: int) -> Policy:
    traffic = rule["spec"].get("trafficPolicy") or {}
    for setting in traffic.get("portLevelSettings") or ():
        if setting.get("port", {}).get("number") == port:
            traffic = setting
            break
    return Policy(_tls(traffic.get("tls") or {}), traffic.get("connectionPool") or {})


def _tls(settings: Mapping[str, Any]) -> Tls:
    if settings.get("mode", "DISABLE") == "DISABLE":
        return Tls.NONE
    return Tls.UNVERIFIED if settings.get("insecureSkipVerify") else Tls.VERIFIED
