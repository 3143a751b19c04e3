"""Decisions about the model gateway."""

from components.plan.context import Context
from components.plan.gateway_args import ExistingArgs, ModelGatewayArgs, RouteArgs


def resolve(context: Context) -> ModelGatewayArgs:
    """Arguments of the model gateway."""
    settings, names, gateway, theirs = context.settings, context.names, context.settings.gateway, context.controller
    requests = {"cpu": gateway.cpu, "memory": gateway.memory}
    limits = {"cpu": gateway.cpu_limit, "memory": gateway.memory_limit}
    return ModelGatewayArgs(
        namespace=settings.namespace,
        name=names.gateway,
        existing=_existing(context),
        route=RouteArgs(
            name=names.route,
            hostnames=gateway.route.hostnames,
            path=gateway.route.path,
            headers=gateway.route.headers,
        ),
        labels=names.labels,
        provider=gateway.provider,
        release=settings.release,
        awaited=gateway.awaited,
        service_type=theirs.service_type or gateway.service_type,
        log_level=theirs.log_levels.get(gateway.log_level or theirs.log_level),
        access_logging=gateway.access_logging,
        requests={name: requests[name] or amount for name, amount in theirs.requests.items()},
        limits={name: limits[name] or amount for name, amount in theirs.limits.items()},
        pool=names.pool,
        pool_port=settings.ports.serving,
        picker=names.picker,
        picker_selector=names.picker_selector,
        exposure=gateway.exposure,
        autopilot=gateway.autopilot,
        metrics_interval=settings.monitoring.picker_interval if settings.monitoring.enabled else None,
    )


def _existing(context: Context) -> ExistingArgs | None:
    given = context.settings.gateway.existing
    if given is None:
        return None
    namespace = given.namespace or context.settings.namespace
    return ExistingArgs(name=given.name, namespace=namespace, listener=given.listener)
