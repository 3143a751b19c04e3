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


class Panel:
    """A chart over time; `about`: what it shows and what to look for."""

    def __init__(self, title: str, about: str, unit: Unit, *lines: Line) -> None:
        self.title, self.about, self.unit, self.lines = title, about, unit, lines


class Row:
    """Panels that belong together."""

    def __init__(self, title: str, *panels: Panel) -> None:
        self.title, self.panels = title, panels


class Dashboard:
    """A page of charts; `word` is part of its names."""

    def __init__(self, word: str, title: str, about: str, *rows: Row) -> None:
        self.word, self.title, self.about, self.rows = word, title, about, rows

    @property
    def panels(self) -> Iterator[Panel]:
        return (panel for row in self.rows for panel in row.panels)
