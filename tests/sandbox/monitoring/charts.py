"""Draws a dashboard's panels as one SVG of line charts. Its size depends only on the number of panels."""

from typing import Any
from xml.sax.saxutils import escape

from tests.sandbox.monitoring.prometheus import Lines

WIDE, HIGH, GAP, ROW = 480, 210, 20, 34
"""Pixels of a panel, of the gaps and of a row's heading."""
LEFT, TOP, RIGHT, BOTTOM = 58, 30, 12, 44
"""Margins of the chart in a panel."""
COLOURS = ("#1f6fb4", "#e0701a", "#2f8f3a", "#b5302c", "#7f58b0", "#7a5147", "#c2579d", "#6b6b6b")
LEGENDS = 4
"""Most legend entries; further lines have none."""
STYLE = (
    "text{font:11px sans-serif;fill:#333}.title{font-size:18px;font-weight:bold}.row{font-size:14px;font-weight:bold}"
    ".panel{font-size:12px;font-weight:bold}.empty{fill:#999}polyline{fill:none;stroke-width:1.5}"
    "rect{fill:#fff;stroke:#ccc}line{stroke:#e4e4e4}"
)
ABSENT = "only a real vLLM exports this"
STEPS = {"s": ("s", 1.0), "cps": ("/s", 1.0), "bytes": ("B", 1.0), "Bps": ("B/s", 1.0), "percentunit": ("%", 100.0)}


def draw(dashboard: dict[str, Any], found: dict[str, Lines], start: float, end: float) -> str:
    """The picture of a dashboard (Grafana's JSON) with the series found for each of its expressions."""
    parts, y = [_text(dashboard["title"], GAP, 28, "title")], 44
    place = 0
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            y += (HIGH + GAP) * (place > 0)
            parts.append(_text(panel["title"], GAP, y + 20, "row"))
            y, place = y + ROW, 0
            continue
        if place == 2:
            y, place = y + HIGH + GAP, 0
        x = GAP + place * (WIDE + GAP)
        parts.append(f'<g transform="translate({x},{y})">{_panel(panel, found, start, end)}</g>')
        place += 1
    width, height = 2 * WIDE + 3 * GAP, y + HIGH + GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    back = f'<rect width="{width}" height="{height}" style="stroke:none"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", back, *parts, "</svg>"]) + "\n"


def _panel(panel: dict[str, Any], found: dict[str, Lines], start: float, end: float) -> str:
    parts = [f'<rect width="{WIDE}" height="{HIGH}"/>', _text(panel["title"], 10, 18, "panel")]
    lines = [
        (_legend(target["legendFormat"], series["metric"]), _points(series))
        for target in panel["targets"]
        for series in found[target["expr"]]
    ]
    lines = [(legend, points) for legend, points in lines if points]
    if not lines:
        return "\n".join([*parts, _text(ABSENT, WIDE // 2 - 80, HIGH // 2, "empty")])
    top = (max(value for _, points in lines for _, value in points) or 1.0) * 1.1
    parts += _axes(panel["fieldConfig"]["defaults"]["unit"], top, end - start)
    for place, (legend, points) in enumerate(lines):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(f"{_x(time, start, end):.1f},{_y(value, top):.1f}" for time, value in points)
        parts.append(f'<polyline points="{path}" stroke="{colour}"/>')
        if place < LEGENDS:
            x = 10 + place * (WIDE - 20) // LEGENDS
            parts.append(f'<rect x="{x}" y="{HIGH - 16}" width="8" height="8" style="fill:{colour};stroke:none"/>')
            parts.append(_text(_short(legend), x + 11, HIGH - 8))
    return "\n".join(parts)


def _axes(unit: str, top: float, seconds: float) -> list[str]:
    parts = []
    for share in (0, 0.5, 1):
        y = _y(share * top / 1.1, top)
        parts.append(f'<line x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(_amount(share * top / 1.1, unit), 6, round(y) + 4))
    for share, x in ((0, LEFT), (0.5, (LEFT + WIDE - RIGHT) // 2 - 8), (1, WIDE - RIGHT - 26)):
        parts.append(_text(f"{share * seconds:.0f} s", x, HIGH - BOTTOM + 16))
    return parts


def _points(series: dict[str, Any]) -> list[tuple[float, float]]:
    """Points of a series, without values that are not a number."""
    return [(time, float(value)) for time, value in series["values"] if value not in ("NaN", "+Inf", "-Inf")]


def _x(time: float, start: float, end: float) -> float:
    return LEFT + (time - start) / (end - start) * (WIDE - LEFT - RIGHT)


def _y(value: float, top: float) -> float:
    return HIGH - BOTTOM - value / top * (HIGH - TOP - BOTTOM)


def _amount(value: float, unit: str) -> str:
    word, factor = STEPS.get(unit, ("", 1.0))
    value *= factor
    if unit == "s" and value < 1:
        return f"{value * 1000:.3g} ms"
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {prefix}{word}"
    return f"{value:.3g} {word}".strip()


def _legend(form: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        form = form.replace(f"{{{{{name}}}}}", value)
    return form


def _short(text: str) -> str:
    """At most as wide as its place; pods differ at the end of their names."""
    return text if len(text) <= 17 else f"…{text[-14:]}"


def _text(text: str, x: int, y: int, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{css}>{escape(text)}</text>'
