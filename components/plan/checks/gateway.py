"""Gateway settings that the controller cannot apply, and gateway settings that exclude each other."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.config.problem import Problem
from components.config.vocabulary import ServiceType
from components.gateways import honouring
from components.gateways.gateway_api import labels_for
from components.names import HTTP_PORT
from components.plan.context import Context

GATEWAY = "serving.gateway"
_MADE = "it belongs to whoever made the Gateway"
OF_ITS_OWN: Mapping[str, str] = {
    "labels": f"labels are the Gateway's: {_MADE}",
    "awaited": "this stack does not make the Gateway, so there is nothing to wait for",
    **dict.fromkeys(("http", "tls"), f"listeners are the Gateway's: {_MADE}"),
    **dict.fromkeys(("service_type", "service"), f"the Service is made with the Gateway: {_MADE}"),
    "ingress": f"what leads to the Gateway is the Gateway's: {_MADE}",
    "exposure": f"the class is the Gateway's: {_MADE}",
    **dict.fromkeys(
        ("cpu", "memory", "cpu_limit", "memory_limit", "termination_grace", "idle_timeout"),
        f"the proxy runs with the Gateway: {_MADE}",
    ),
    **dict.fromkeys(("log_level", "access_logging"), f"the proxy's log is the Gateway's: {_MADE}"),
}
"""Settings that configure a Gateway of the stack's own, by field, each with the reason why they cannot another."""
GOOGLES_OWN = ("dashboards", "alerts", "labels", "runbooks", "min_transfer_rate", "worker_interval")
"""Settings of monitoring that ask for objects of the Prometheus operator, or for series labelled by them."""


def check(context: Context) -> Iterator[Problem]:
    """Settings that would be ignored, and settings that controller or API server would refuse."""
    gateway, provider = context.settings.gateway, context.provider
    chosen = f"{GATEWAY}.provider: {provider.word} in release {context.release.name}"
    if provider.missing:
        yield Problem(
            f"{GATEWAY}.provider",
            provider.word.value,
            f"cannot be deployed with serving.release: {context.release.name}: {provider.missing}",
            "the Gateway would have a class and parameters that are untested with this release",
            "use serving.release: 0.6, or another provider that the cluster has",
        )
    trial = context.settings.rollout.trial
    if trial and not trial.url and provider.service_suffix is None:
        yield Problem(
            "serving.rollout.trial.url",
            None,
            f"is needed: {chosen} has no Service that a Job could ask",
            "the trial of a generation would reach no gateway, and `pulumi up` would fail",
            "set it to a URL of the load balancer that pods reach, or serving.rollout.trial: null",
        )
    for field, reason in provider.refused.items():
        for path, value in _written(context, field):
            others = " or ".join(honouring(field, context.release.name))
            yield Problem(
                path,
                value,
                f"cannot be set with {chosen}: {reason}",
                "it would be ignored silently, and the gateway be another than the file says",
                f"`pulumi config rm --path {path}`, or {GATEWAY}.provider: {others} if the cluster has it",
            )
    monitoring = context.settings.monitoring
    for field in GOOGLES_OWN if provider.collectors else ():
        if field in monitoring.model_fields_set:
            path = f"serving.monitoring.{type(monitoring).model_fields[field].alias}"
            yield Problem(
                path,
                monitoring.model_dump(mode="json")[field],
                f"is for the Prometheus operator's series, and with {chosen} Google's managed Prometheus reads",
                "it would be ignored silently",
                f"`pulumi config rm --path {path}`; the workers' metrics are read by GKE's automatic monitoring",
            )
    if gateway.log_level and "log_level" not in provider.refused and gateway.log_level not in provider.log_levels:
        yield Problem(
            f"{GATEWAY}.logLevel",
            gateway.log_level.value,
            f"is no level of {chosen}",
            "the controller would refuse the parameters, or the proxy not start",
            f"use one of {', '.join(provider.log_levels)}",
        )
    yield from _beside_existing(context)
    yield from _labels(context)
    yield from _listeners(context)
    yield from _service(context)
    yield from _ingress(context)


def _written(context: Context, field: str) -> Iterator[tuple[str, Any]]:
    """Path and value of a setting of the gateway that the stack file has; a field such as `service.annotations`."""
    at, path = context.settings.gateway, GATEWAY
    *above, last = field.split(".")
    for name in above:
        path += f".{type(at).model_fields[name].alias}"
        at = getattr(at, name)
    if last in at.model_fields_set:
        yield (
            f"{path}.{type(at).model_fields[last].alias}",
            at.model_dump(mode="json", by_alias=True)[str(type(at).model_fields[last].alias)],
        )


def _beside_existing(context: Context) -> Iterator[Problem]:
    """Settings of a Gateway of the stack's own, beside an existing Gateway."""
    existing, settings = context.settings.gateway.existing, context.settings
    if existing is None:
        return
    for field, reason in OF_ITS_OWN.items():
        for path, value in _written(context, field):
            yield Problem(
                path,
                value,
                f"cannot be set beside {GATEWAY}.existing: {reason}",
                "it would be ignored silently",
                f"`pulumi config rm --path {path}`, or {GATEWAY}.existing for a Gateway of this stack's own",
            )
    if (existing.namespace or settings.namespace, existing.name) == (settings.namespace, context.names.gateway):
        yield Problem(
            f"{GATEWAY}.existing.name",
            existing.name,
            f"is what a Gateway of this stack's own is called (postfix {settings.postfix})",
            "no stack would make it, or one of the same postfix in this namespace, which has this stack's names too",
            f"`pulumi config rm --path {GATEWAY}.existing`, or give this stack another serving.postfix",
        )


def _labels(context: Context) -> Iterator[Problem]:
    """Labels of the Gateway by which this program, or the controller, knows it."""
    names = context.names
    own = {**names.labels, **labels_for(context.provider, names.gateway)}
    for key, value in context.settings.gateway.labels.items():
        if key in own:
            yield Problem(
                f'{GATEWAY}.labels["{key}"]',
                value,
                "is set by the program itself",
                "preflight tells this stack's objects from others' by it, or the controller serves the InferencePool "
                "only with it",
                f"delete it; its value is {own[key]}",
            )


def _listeners(context: Context) -> Iterator[Problem]:
    gateway = context.settings.gateway
    if not gateway.http and gateway.tls is None and gateway.existing is None:
        yield Problem(
            f"{GATEWAY}.http",
            False,
            f"takes the only listener away: there is no {GATEWAY}.tls",
            "the API server would refuse a Gateway without listeners",
            f"`pulumi config rm --path {GATEWAY}.http`, or set {GATEWAY}.tls",
        )
    if gateway.http and gateway.tls and gateway.tls.port == HTTP_PORT:
        yield Problem(
            f"{GATEWAY}.tls.port",
            HTTP_PORT,
            "is that of the plain listener",
            "two protocols on one port: the controller would refuse both",
            f"use 443, or set {GATEWAY}.http: false",
        )
    for index, each in enumerate(gateway.tls.certificate_refs if gateway.tls else ()):
        if context.provider.own_proxies and each.namespace not in (None, context.settings.namespace):
            yield Problem(
                f"{GATEWAY}.tls.certificateRefs[{index}].namespace",
                each.namespace,
                f"is not the stack's ({context.settings.namespace}), and a pod mounts Secrets of its own only",
                "Envoy would wait for a Secret of that name in this namespace, and nothing be served",
                "copy the Secret, or have it made, in the stack's namespace; a Gateway's controller takes others",
            )


def _service(context: Context) -> Iterator[Problem]:
    gateway = context.settings.gateway
    service, kind = gateway.service, gateway.service_type
    if service.load_balancer_class and kind is not ServiceType.LOAD_BALANCER:
        yield Problem(
            f"{GATEWAY}.service.loadBalancerClass",
            service.load_balancer_class,
            f"is for a load balancer, and {GATEWAY}.serviceType is {kind}",
            "the API server would refuse the Service that the controller makes: no request could reach the gateway",
            f"set {GATEWAY}.serviceType: LoadBalancer, or take the class away",
        )
    listening = {*([HTTP_PORT] if gateway.http else []), *([gateway.tls.port] if gateway.tls else [])}
    for index, one in enumerate(service.ports):
        path = f"{GATEWAY}.service.ports[{index}]"
        if kind is ServiceType.CLUSTER_IP:
            yield Problem(
                f"{path}.nodePort",
                one.node_port,
                f"is a port of the nodes, and {GATEWAY}.serviceType is {kind}",
                "the API server would refuse the Service that the controller makes: no request could reach the gateway",
                f"set {GATEWAY}.serviceType: NodePort, or take the ports away",
            )
        if one.port not in listening:
            yield Problem(
                f"{path}.port",
                one.port,
                "is no listener's port",
                "the Service would have a port on which nothing answers",
                f"use {' or '.join(map(str, sorted(listening)))}",
            )


def _ingress(context: Context) -> Iterator[Problem]:
    gateway = context.settings.gateway
    if gateway.ingress is None or gateway.existing:
        return
    if not gateway.http:
        yield Problem(
            f"{GATEWAY}.ingress",
            gateway.ingress.host,
            f"leads to the plain listener, which {GATEWAY}.http: false takes away",
            "the Ingress would answer 502 or 503 to everything",
            f"`pulumi config rm --path {GATEWAY}.http`; an Ingress speaks HTTPS with {GATEWAY}.ingress.tlsSecret",
        )
    if gateway.route.hostnames and gateway.ingress.host not in gateway.route.hostnames:
        yield Problem(
            f"{GATEWAY}.ingress.host",
            gateway.ingress.host,
            f"is none of {GATEWAY}.route.hostnames",
            "the Ingress passes the host name on, and the Gateway would answer 404",
            f"add it to {GATEWAY}.route.hostnames",
        )
