"""HTTPRoutes: to which listeners they attach, what their rules come to, and in which order these are tried."""

from collections.abc import Iterator
from typing import Any

from sandbox.gateway.model import Backend, Entry, Gateway, Listener, Model, PoolParent, RouteParent, Verdict
from sandbox.gateway.references import POOL_GROUP, Resolver, pool_references
from sandbox.gateway.store import Key, Object, World

_GROUP = "gateway.networking.k8s.io"


def attach(world: World, model: Model) -> None:
    """Attach every route to the Gateways of the model that it names; fills in the rest of the model."""
    resolvers = {key: Resolver(world, key, one.gateway_class) for key, one in model.gateways.items()}
    ranked: dict[tuple[Key, int, str], list[tuple[tuple[Any, ...], Entry]]] = {}
    for key, route in sorted(world["HTTPRoute"].items(), key=lambda item: (_age(item[1]), item[0])):
        for reference in route["spec"].get("parentRefs") or ():
            gateway = _parent(model, route, reference)
            if gateway is None:
                continue
            accepted, places = _places(world, gateway, route, reference)
            entries, resolved = _entries(resolvers[gateway.key], route)
            if (unsupported := _unsupported(route)) is not None:
                accepted, places = unsupported, []
            verdicts = {"Accepted": accepted, "ResolvedRefs": resolved}
            controller = gateway.gateway_class.controller
            model.routes.setdefault(key, []).append(RouteParent(reference, controller, verdicts))
            _note_pools(world, model, gateway, route, accepted)
            for listener in {id(one): one for one, _ in places}.values():
                listener.attached += 1
            for listener, host in places:
                place = (gateway.key, listener.spec["port"], host)
                ranked.setdefault(place, []).extend((_rank(entry), entry) for entry in entries)
    for (key, port, host), found in ranked.items():
        best_first = [entry for _, entry in sorted(found, key=lambda one: one[0])]  # stable: older routes go first
        model.gateways[key].hosts[port][host] = list({entry.name: entry for entry in best_first}.values())
    for key, resolver in resolvers.items():
        model.gateways[key].clusters = resolver.clusters


def _age(one: Object) -> str:
    return str(one["metadata"]["creationTimestamp"])


def _parent(model: Model, route: Object, reference: Object) -> Gateway | None:
    if (reference.get("group", _GROUP), reference.get("kind", "Gateway")) != (_GROUP, "Gateway"):
        return None
    return model.gateways.get((reference.get("namespace") or route["metadata"]["namespace"], reference["name"]))


def _places(
    world: World, gateway: Gateway, route: Object, reference: Object
) -> tuple[Verdict, list[tuple[Listener, str]]]:
    """Return the listeners, with host names, where a route serves; and whether there is any."""
    named = [
        one
        for one in gateway.listeners
        if reference.get("sectionName") in (None, one.spec["name"])
        and reference.get("port") in (None, one.spec["port"])
    ]
    if not named:
        which = reference.get("sectionName") or f"on port {reference.get('port')}"
        return Verdict(False, "NoMatchingParent", f"Gateway {gateway.key[1]} has no listener {which}"), []
    open_ones = [one for one in named if one.usable and _allows(world, gateway, one, route)]
    if not open_ones:
        return Verdict(False, "NotAllowedByListeners", "no listener takes routes of this kind and namespace"), []
    places = [(one, host) for one in open_ones for host in _hosts(one.spec.get("hostname"), route)]
    if not places:
        return Verdict(False, "NoMatchingListenerHostname", "no listener has a host name of the route"), []
    return Verdict(True, "Accepted", "the route is attached"), places


def _allows(world: World, gateway: Gateway, listener: Listener, route: Object) -> bool:
    namespaces = listener.spec.get("allowedRoutes", {}).get("namespaces", {})
    match namespaces.get("from", "Same"):
        case "All":
            return True
        case "Selector":
            owner = world["Namespace"].get(("", route["metadata"]["namespace"]), {"metadata": {}})
            return _selected(namespaces.get("selector") or {}, owner["metadata"].get("labels") or {})
        case "Same":
            return bool(route["metadata"]["namespace"] == gateway.key[0])
        case _:
            return False


def _selected(selector: Object, labels: Object) -> bool:
    operators = {
        "In": lambda value, values: value in values,
        "NotIn": lambda value, values: value not in values,
        "Exists": lambda value, values: value is not None,
        "DoesNotExist": lambda value, values: value is None,
    }
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()) and all(
        operators[one["operator"]](labels.get(one["key"]), one.get("values") or ())
        for one in selector.get("matchExpressions") or ()
    )


def _hosts(listener: str | None, route: Object) -> Iterator[str]:
    """Yield the host names that listener and route have in common; of two that overlap, the narrower."""
    for host in route["spec"].get("hostnames") or [listener or "*"]:
        if listener in (None, host) or (listener and listener.startswith("*") and host.endswith(listener[1:])):
            yield host
        elif host.startswith("*") and listener and listener.endswith(host[1:]):
            yield listener


def _entries(resolver: Resolver, route: Object) -> tuple[list[Entry], Verdict]:
    resolved = Verdict(True, "ResolvedRefs", "all references were resolved")
    namespace, name = route["metadata"]["namespace"], route["metadata"]["name"]
    entries = []
    for number, rule in enumerate(route["spec"].get("rules") or ()):
        backends: list[Backend] = []
        for reference in rule.get("backendRefs") or ():
            backend, problem = resolver.backend(route, reference)
            backends.append(backend)
            resolved = problem if problem and resolved.good else resolved
        for index, match in enumerate(rule.get("matches") or [{}]):
            entry_name = f"{namespace}.{name}.{number}.{index}"
            timeouts, prefix = rule.get("timeouts") or {}, _prefix(rule)
            entries.append(Entry(entry_name, match, tuple(backends), timeouts, prefix))
    return entries, resolved


def _prefix(rule: Object) -> str | None:
    found = [one["urlRewrite"]["path"] for one in rule.get("filters") or () if _replaces_prefix(one)]
    return str(found[0]["replacePrefixMatch"]) if found else None


def _unsupported(route: Object) -> Verdict | None:
    """A filter that the sandbox's gateway does not have; of all there are it only replaces prefixes of the path."""
    for rule in route["spec"].get("rules") or ():
        filters = [one for one in rule.get("filters") or () if not _replaces_prefix(one)]
        filters += [one for backend in rule.get("backendRefs") or () for one in backend.get("filters") or ()]
        if filters:
            kinds = ", ".join(one["type"] for one in filters)
            return Verdict(False, "UnsupportedValue", f"the sandbox's gateway has no such filters: {kinds}")
    return None


def _replaces_prefix(one: Object) -> bool:
    rewrite = one.get("urlRewrite") or {}
    return set(rewrite) == {"path"} and rewrite["path"]["type"] == "ReplacePrefixMatch"


def _rank(entry: Entry) -> tuple[Any, ...]:
    """Order of the Gateway API: exact path, longest path, method, most headers, most query parameters."""
    path = entry.match.get("path") or {}
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    counts = [-len(entry.match.get(part) or ()) for part in ("headers", "queryParams")]
    return (kind != "Exact", kind != "PathPrefix", -len(value), "method" not in entry.match, *counts)


def _note_pools(world: World, model: Model, gateway: Gateway, route: Object, accepted: Verdict) -> None:
    for rule in route["spec"].get("rules") or ():
        for reference in rule.get("backendRefs") or ():
            key = (reference.get("namespace") or route["metadata"]["namespace"], reference["name"])
            pool = world["InferencePool"].get(key)
            if reference.get("group") != POOL_GROUP or reference.get("kind") != "InferencePool" or pool is None:
                continue
            verdict = Verdict(True, "Accepted", "an accepted HTTPRoute leads here")
            if not accepted.good:
                verdict = Verdict(False, "HTTPRouteNotAccepted", f"{route['metadata']['name']}: {accepted.message}")
            parents = model.pools.setdefault(key, [])
            known = next((one for one in parents if one.gateway == gateway.key), None)
            if known is None:
                verdicts = {"Accepted": verdict, "ResolvedRefs": pool_references(world, pool)}
                parents.append(PoolParent(gateway.key, gateway.gateway_class.controller, verdicts))
            elif verdict.good:
                known.verdicts["Accepted"] = verdict
