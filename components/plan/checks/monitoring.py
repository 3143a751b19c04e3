"""Scrapes too rare for what reads them."""

import re
from collections.abc import Iterator

from components.config.problem import Problem
from components.plan.context import Context

LONGEST = 75
"""Seconds between scrapes: the dashboards' rates look back five minutes, and a rate wants a few scrapes."""

_SECONDS = {"ms": 0.001, "s": 1, "m": 60}


def check(context: Context) -> Iterator[Problem]:
    """Intervals at which rates would have gaps or nothing at all."""
    monitoring = context.settings.monitoring
    if not monitoring.enabled or not (monitoring.dashboards or monitoring.alerts) or context.provider.collectors:
        return
    for field in ("worker_interval", "picker_interval"):
        interval = str(getattr(monitoring, field))
        if _seconds(interval) > LONGEST:
            yield Problem(
                f"serving.monitoring.{type(monitoring).model_fields[field].alias}",
                interval,
                f"is longer than {LONGEST} s",
                "rates over five minutes would have gaps: dashboards would show nothing and alerts never fire",
                f"use {LONGEST}s or less, or set serving.monitoring.dashboards and serving.monitoring.alerts to false",
            )


def _seconds(interval: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", interval).groups()  # type: ignore[union-attr]  # the setting's form
    return int(number) * _SECONDS[unit]
