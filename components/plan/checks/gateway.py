"""What the gateway's controller cannot be told."""

from collections.abc import Iterator
from typing import Any

from components.config.problem import Problem
from components.controllers import honouring
from components.plan.context import Context


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
