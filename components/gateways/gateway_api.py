"""Gateway, HTTPRoute and Ingress: the objects that are the same for every controller."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.gateways.args import IngressArgs, ListenerArgs, ModelGatewayArgs, RouteArgs
from components.gateways.asking import HEADER
from components.gateways.provider import GATEWAY_API, GatewayProvider, of_generation, of_stack
from components.manifests import SKIP_AWAIT, Manifest, Stage
from components.names import HTTP_PORT, PART_OF, POOL_GROUP

HTTP_ROUTE = (f"{GATEWAY_API}/v1", "HTTPRoute")

PROGRAMMED = {"pulumi.com/waitFor": "condition=Programmed"}
"""Pulumi waits for this condition, which every controller reports; it does not wait for a custom object otherwise."""

MINUTES = 10
"""Minutes to wait for Programmed. The controller itself needs seconds; a new node for its proxy (4 CPU) or a cloud's
load balancer takes minutes."""


def objects(provider: GatewayProvider, args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The Gateway, unless the stack uses an existing one, and the HTTPRoute."""
    gateway = [] if args.existing else [_gateway(provider, args)]
    spec = {"spec": _route(provider, args)}
    route = of_stack(args)("route", *HTTP_ROUTE, args.route.name, body=spec, stage=Stage.SWITCH)
    return [*gateway, route, *([_trial(provider, args)] if args.beside else [])]


def _trial(provider: GatewayProvider, args: ModelGatewayArgs) -> Manifest:
    """A second HTTPRoute, for requests with one more header. A pool that no accepted HTTPRoute names has no cluster in
    istio's proxies, and the first requests after a switch would fail."""
    word = {args.trial_header: args.generation or "-"}
    spec = _route(provider, args.model_copy(update={"route": given_headers(args.route, word)}))
    return of_generation(args)("trial-route", *HTTP_ROUTE, args.trial, body={"spec": spec})


def given_headers(route: RouteArgs, more: Mapping[str, str]) -> RouteArgs:
    """The route for requests that have more headers."""
    return route.model_copy(update={"headers": {**route.headers, **more}})


def ingress(gateway: ModelGatewayArgs, args: IngressArgs) -> Manifest:
    """An Ingress that sends all requests for a host to the HTTP listener. Pulumi does not wait for it, because some
    Ingress controllers write no status."""
    backend = {"service": {"name": args.service, "port": {"number": HTTP_PORT}}}
    rule = {"host": args.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec: dict[str, Any] = {"rules": [rule]}
    if args.class_name:
        spec["ingressClassName"] = args.class_name
    if args.tls_secret:
        spec["tls"] = [{"hosts": [args.host], "secretName": args.tls_secret}]
    kind, annotations = ("networking.k8s.io/v1", "Ingress"), {**args.annotations, **SKIP_AWAIT}
    return of_stack(gateway)("ingress", *kind, gateway.name, body={"spec": spec}, annotations=annotations)


def _gateway(provider: GatewayProvider, args: ModelGatewayArgs) -> Manifest:
    labels = {**args.own_labels, **args.labels, **labels_for(provider, args.name)}
    spec: dict[str, Any] = {
        "gatewayClassName": args.class_name,
        "listeners": [_listener(each) for each in args.listeners],
    }
    infrastructure: dict[str, Any] = {}
    if provider.parameters:
        reference = {"group": provider.parameters.group, "kind": provider.parameters.kind, "name": args.name}
        infrastructure["parametersRef"] = reference
    if provider.copies_metadata:
        infrastructure |= {"labels": PART_OF, "annotations": PART_OF}
    if infrastructure:
        spec["infrastructure"] = infrastructure
    return of_stack(args)(
        *("gateway", f"{GATEWAY_API}/v1", "Gateway", args.name),
        labels=labels,
        body={"spec": spec},
        annotations=PROGRAMMED if args.awaited else {},
        replaced_on="spec.gatewayClassName",  # the old class's controller would not delete its proxies
        minutes=MINUTES if args.awaited else None,
        address=_address,
    )


def labels_for(provider: GatewayProvider, name: str) -> dict[str, str]:
    """Labels of the Gateway of this name, beside those of every object of the stack."""
    return {
        **provider.labels,
        "app.kubernetes.io/gateway": name,
        "app.kubernetes.io/component": "inference-gateway",
    }


def _address(status: Any) -> str:
    addresses = (status or {}).get("addresses") or [{}]
    return str(addresses[0].get("value") or "")


def _listener(args: ListenerArgs) -> dict[str, Any]:
    """A listener that allows routes of every namespace, as the guide's does."""
    references = [
        {"group": "", "kind": "Secret", "name": each.name, **({"namespace": each.namespace} if each.namespace else {})}
        for each in args.certificates
    ]
    return {
        "name": args.name,
        "port": args.port,
        "protocol": "HTTPS" if references else "HTTP",
        **({"tls": {"mode": "Terminate", "certificateRefs": references}} if references else {}),
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }


def _route(provider: GatewayProvider, args: ModelGatewayArgs) -> dict[str, Any]:
    """One rule with one pool, without time limits: a long generation is not a failure."""
    given, bare = args.route, provider.bare_route
    backend = {
        "group": POOL_GROUP,
        "kind": "InferencePool",
        "name": args.pool,
        **({} if bare else {"port": args.pool_port}),
        "weight": 1,
    }
    timeouts = {} if bare else {"timeouts": {"request": "0s", "backendRequest": "0s"}}
    match: dict[str, Any] = {"path": {"type": "PathPrefix", "value": given.path}}
    if given.headers:
        match["headers"] = [{"type": "Exact", "name": name, "value": value} for name, value in given.headers.items()]
    return {
        "parentRefs": [_parent(args)],
        **({"hostnames": given.hostnames} if given.hostnames else {}),
        "rules": [{"matches": [match], **_filters(provider, args), "backendRefs": [backend], **timeouts}],
    }


def _parent(args: ModelGatewayArgs) -> dict[str, str]:
    reference = {"group": GATEWAY_API, "kind": "Gateway"}
    if args.existing is None:
        return {**reference, "name": args.name}
    listener = {"sectionName": args.existing.listener} if args.existing.listener else {}
    return {**reference, "name": args.existing.name, "namespace": args.existing.namespace, **listener}


def _filters(provider: GatewayProvider, args: ModelGatewayArgs) -> dict[str, Any]:
    """Takes the route's prefix off the path, because vLLM serves /v1/…; names the generation in the answer."""
    filters: list[dict[str, Any]] = []
    if args.route.path != "/":
        rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
        filters.append({"type": "URLRewrite", "urlRewrite": {"path": rewrite}})
    if args.generation and provider.names_generation:
        named = {"set": [{"name": HEADER, "value": args.generation}]}
        filters.append({"type": "ResponseHeaderModifier", "responseHeaderModifier": named})
    return {"filters": filters} if filters else {}
