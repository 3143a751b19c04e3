"""Scrape intervals that are too long for dashboards and alerts."""

import re
from collections.abc import Iterator

from components.plan.context import Context

LONGEST = 75
"""Seconds between scrapes: the dashboards' rates look back five minutes, and a rate wants a few scrapes."""

_SECONDS = {"ms": 0.001, "s": 1, "m": 60}


def notes(context: Context) -> Iterator[str]:
    """Intervals at which rates have gaps."""
    monitoring = context.settings.monitoring
    if not monitoring.enabled or not (monitoring.dashboards or monitoring.alerts) or context.provider.collectors:
        return
    for field in ("worker_interval", "picker_interval"):
        interval = str(getattr(monitoring, field))
        if _seconds(interval) > LONGEST:
            path = f"serving.monitoring.{type(monitoring).model_fields[field].alias}"
            yield (
                f"{path}: {interval} is longer than {LONGEST} s: "
                "rates over five minutes have few points or none, so that dashboards show gaps and alerts fire late"
            )


def _seconds(interval: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", interval).groups()  # type: ignore[union-attr]  # the setting's form
    return int(number) * _SECONDS[unit]
