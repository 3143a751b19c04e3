"""The vocabulary of dashboards: a dashboard has rows of panels, a panel has lines. Data that a person can read."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a panel counts; Grafana's words."""

    SECONDS = "s"
    PER_SECOND = "cps"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    SHARE = "percentunit"
    NUMBER = "short"


@dataclass(frozen=True)
class Line:
    """One query; its legend may name labels, such as `{{pod}}`."""

    legend: str
    query: str


@dataclass(frozen=True)
class Panel:
    """A chart over time."""

    title: str
    about: str
    """What it shows and what to look for."""
    unit: Unit
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Row:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    """A page of charts."""

    word: str
    """Part of its names."""
    title: str
    about: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> Iterator[Panel]:
        return (panel for row in self.rows for panel in row.panels)
