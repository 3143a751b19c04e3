"""A Gateway's parameters: what to lay over the Deployment and the Service that are made; istio's are a ConfigMap."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from sandbox.gateway import parameters
from sandbox.gateway.classes import AGENTGATEWAYS, KGATEWAYS, GatewayClass
from sandbox.gateway.parameters import PROXY
from sandbox.gateway.store import Object, World

_KEYS = ("deployment", "service")
_MERGED_BY = {"containers": "name", "env": "name", "volumes": "name", "ports": "port", "volumeMounts": "mountPath"}
"""Lists that a strategic merge joins by a key; any other list is replaced."""

_TRANSLATED = {"--proxyLogLevel": "--log-level", "--proxyComponentLogLevel": "--component-log-level"}
_DEFAULTS = {"--log-level": "warning", "--component-log-level": "misc:error"}
_AGENTS_OWN = ("--domain", "--log_output_level")
"""Flags of istio's agent around Envoy that change nothing here."""


@dataclass(frozen=True)
class Overlay:
    """What the parameters of a Gateway say, or what is wrong with them."""

    deployment: Mapping[str, Any] = field(default_factory=dict)
    service: Mapping[str, Any] = field(default_factory=dict)
    wrong: str = ""

    @classmethod
    def of(cls, world: World, gateway: Object, gateway_class: GatewayClass) -> "Overlay":
        """Read the parameters that a Gateway refers to; none is an empty overlay."""
        reference = (gateway["spec"].get("infrastructure") or {}).get("parametersRef")
        if reference is None:
            return cls()
        if (reference["group"], reference["kind"]) != gateway_class.parameters:
            return cls(wrong=f"class {gateway_class.name} takes no parameters from a {reference['kind']} here")
        kind, key = reference["kind"], (gateway["metadata"]["namespace"], reference["name"])
        found = world[kind].get(key)
        if found is None:
            return cls(wrong=f"there is no {kind} {'/'.join(key)}, spec.infrastructure.parametersRef")
        try:
            overlay = cls(*_read(gateway_class, found))
            arguments(overlay)
        except ValueError as error:
            return cls(wrong=f"{kind} {'/'.join(key)}: {error}")
        return overlay


def _read(gateway_class: GatewayClass, found: Object) -> parameters.Parts:
    match gateway_class.parameters:
        case known if known == KGATEWAYS:
            return parameters.kgateway(found.get("spec") or {})
        case known if known == AGENTGATEWAYS:
            return parameters.agentgateway(found.get("spec") or {})
        case _:
            parts = dict(_parts(found.get("data") or {}))
            return parts.get("deployment", {}), parts.get("service", {})


def arguments(overlay: Overlay) -> list[str]:
    """Return Envoy's arguments for those of istio's agent; raises `ValueError` for one that it would refuse."""
    pod = overlay.deployment.get("spec", {}).get("template", {}).get("spec", {})
    container: Mapping[str, Any] = next((one for one in pod.get("containers") or () if one.get("name") == PROXY), {})
    given: Sequence[str] = container.get("args") or ("proxy", "router")
    if list(given[:2]) != ["proxy", "router"]:
        raise ValueError(f"the arguments of {PROXY} must begin with: proxy router")
    result = dict(_DEFAULTS)
    rest = iter(word for argument in given[2:] for word in str(argument).split("=", 1))
    for flag in rest:
        value = next(rest, None)
        if value is None or flag not in (*_TRANSLATED, *_AGENTS_OWN):
            raise ValueError(f"istio's agent doesn't know the argument {flag}")
        if flag in _TRANSLATED:
            result[_TRANSLATED[flag]] = value
    return [word for pair in result.items() for word in pair]


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `over` laid over `base` as a strategic merge does it; null removes."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merge(below if isinstance(below, Mapping) else {}, value)
        elif isinstance(value, list) and isinstance(below, list) and key in _MERGED_BY:
            result[key] = _merge_lists(below, value, _MERGED_BY[key])
        else:
            result[key] = value
    return result


def _merge_lists(below: list[Any], over: list[Any], key: str) -> list[Any]:
    changes = {one[key]: one for one in over if key in one}
    kept = [merge(one, changes.pop(one.get(key), {})) for one in below]
    return kept + list(changes.values()) + [one for one in over if key not in one]


def _parts(data: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, text in data.items():
        if key not in _KEYS:
            raise ValueError(f"the key {key!r} is neither {' nor '.join(_KEYS)}")
        try:
            part = yaml.load(text, Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            raise ValueError(f"{key} isn't YAML: {error}") from None
        if not isinstance(part, Mapping):
            raise ValueError(f"{key} isn't a mapping")
        yield key, part
