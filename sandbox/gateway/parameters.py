"""kgateway's and agentgateway's parameters of a Gateway, as what they lay over its Deployment and Service here.

Honoured is what means something to a plain Envoy in a process: Service, size, log level, labels. A field that our
program does not write is refused: nobody here knows what it would do.
"""

from collections.abc import Mapping
from typing import Any

PROXY = "istio-proxy"
"""The proxy's container, of every class here."""

_KGATEWAY = {
    "": {"kube"},
    "kube": {"envoyContainer", "sdsContainer", "service", "podTemplate"},
    "kube.envoyContainer": {"securityContext", "bootstrap", "resources"},
    "kube.envoyContainer.bootstrap": {"logLevel", "componentLogLevels"},
    "kube.service": {"type", "extraLabels", "extraAnnotations", "ports"},
    "kube.podTemplate": {"extraLabels"},
}
_AGENTGATEWAY = {
    "": {"logging", "resources", "service"},
    "logging": {"level"},
    "service": {"metadata", "spec"},
    "service.metadata": {"labels", "annotations"},
}
_LONG = {"warn": "warning"}
"""Envoy's own word."""

Parts = tuple[Mapping[str, Any], Mapping[str, Any]]
"""What is laid over the Deployment and over the Service."""


def kgateway(spec: Mapping[str, Any]) -> Parts:
    """Read GatewayParameters. Raises `ValueError` for what isn't known here."""
    _check(spec, _KGATEWAY)
    kube = spec.get("kube") or {}
    container, service = kube.get("envoyContainer") or {}, kube.get("service") or {}
    bootstrap = container.get("bootstrap") or {}
    components = {name: _LONG.get(level, level) for name, level in (bootstrap.get("componentLogLevels") or {}).items()}
    arguments = _level(bootstrap.get("logLevel"))
    if components:
        arguments += ["--proxyComponentLogLevel", ",".join(f"{name}:{level}" for name, level in components.items())]
    labels = (kube.get("podTemplate") or {}).get("extraLabels") or {}
    metadata = {"labels": service.get("extraLabels") or {}, "annotations": service.get("extraAnnotations") or {}}
    below = {key: service[key] for key in ("type", "ports") if key in service}
    return _deployment(arguments, container.get("resources"), labels), {"metadata": metadata, "spec": below}


def agentgateway(spec: Mapping[str, Any]) -> Parts:
    """Read AgentgatewayParameters. Raises `ValueError` for what isn't known here."""
    _check(spec, _AGENTGATEWAY)
    arguments = _level((spec.get("logging") or {}).get("level"))
    return _deployment(arguments, spec.get("resources"), {}), spec.get("service") or {}


def _level(level: str | None) -> list[str]:
    return ["--proxyLogLevel", _LONG.get(level, level)] if level else []


def _deployment(arguments: list[str], resources: Any, labels: Mapping[str, str]) -> Mapping[str, Any]:
    container = {"name": PROXY, "args": ["proxy", "router", *arguments], "resources": resources or {}}
    return {"spec": {"template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}}


def _check(spec: Mapping[str, Any], known: Mapping[str, set[str]]) -> None:
    for path, fields in known.items():
        at: Any = spec
        for name in path.split(".") if path else ():
            at = at.get(name) or {}
        strange = sorted(at.keys() - fields)
        if strange:
            raise ValueError(f"spec.{f'{path}.' if path else ''}{strange[0]} is not known to the sandbox's gateway")
