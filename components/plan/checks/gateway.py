"""What the gateway's controller cannot be told."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.config.problem import Problem
from components.controllers import honouring
from components.plan.context import Context

_MADE = "it belongs to whoever made the Gateway"
OF_ITS_OWN: Mapping[str, str] = {
    "awaited": "this stack does not make the Gateway, so there is nothing to wait for",
    "service_type": f"the Service is made with the Gateway: {_MADE}",
    "exposure": f"the class is the Gateway's: {_MADE}",
    **dict.fromkeys(("cpu", "memory", "cpu_limit", "memory_limit"), f"the proxy runs with the Gateway: {_MADE}"),
    **dict.fromkeys(("log_level", "access_logging"), f"the proxy's log is the Gateway's: {_MADE}"),
}
"""Settings that configure a Gateway of the stack's own, by field, each with the reason why they cannot another."""


def check(context: Context) -> Iterator[Problem]:
    """Settings of the gateway that its controller would never see, and log levels that it does not know."""
    gateway, theirs = context.settings.gateway, context.controller
    chosen = f"serving.gateway.provider: {gateway.provider} in release {context.release.name}"
    written: dict[str, Any] = gateway.model_dump(mode="json")
    for field, reason in theirs.refused.items():
        if field not in gateway.model_fields_set:
            continue
        path = f"serving.gateway.{type(gateway).model_fields[field].alias}"
        others = " or ".join(honouring(field, context.release.name))
        yield Problem(
            path,
            written[field],
            f"cannot be set with {chosen}: {reason}",
            "it would be ignored without a word, and the gateway be another than the file says",
            f"`pulumi config rm --path {path}`, or serving.gateway.provider: {others} if the cluster has it",
        )
    yield from _of_somebody_elses(context)
    monitoring = context.settings.monitoring
    for field in ("labels", "worker_interval") if theirs.google else ():
        if field in monitoring.model_fields_set:
            path = f"serving.monitoring.{type(monitoring).model_fields[field].alias}"
            yield Problem(
                path,
                monitoring.model_dump(mode="json")[field],
                f"is for the Prometheus operator, and with {chosen} Google's managed Prometheus reads",
                "it would be ignored without a word",
                f"`pulumi config rm --path {path}`; the workers' metrics are read by GKE's automatic monitoring",
            )
    if gateway.log_level and "log_level" not in theirs.refused and gateway.log_level not in theirs.log_levels:
        yield Problem(
            "serving.gateway.logLevel",
            gateway.log_level.value,
            f"is no level of {chosen}",
            "the controller would refuse the parameters, or the proxy not start",
            f"use one of {', '.join(theirs.log_levels)}",
        )


def _of_somebody_elses(context: Context) -> Iterator[Problem]:
    """What would configure the Gateway, where the Gateway is somebody else's."""
    gateway = context.settings.gateway
    if gateway.existing is None:
        return
    written: dict[str, Any] = gateway.model_dump(mode="json")
    for field in sorted(OF_ITS_OWN.keys() & gateway.model_fields_set):
        path = f"serving.gateway.{type(gateway).model_fields[field].alias}"
        yield Problem(
            path,
            written[field],
            f"cannot be set beside serving.gateway.existing: {OF_ITS_OWN[field]}",
            "it would be ignored without a word",
            f"`pulumi config rm --path {path}`, or serving.gateway.existing for a Gateway of this stack's own",
        )
    namespace = gateway.existing.namespace or context.settings.namespace
    if (namespace, gateway.existing.name) == (context.settings.namespace, context.names.gateway):
        yield Problem(
            "serving.gateway.existing.name",
            gateway.existing.name,
            f"is what a Gateway of this stack's own is called (postfix {context.settings.postfix})",
            "nobody would make it, or a stack of the same postfix in this namespace, which has this stack's names too",
            "`pulumi config rm --path serving.gateway.existing`, or give this stack another serving.postfix",
        )
