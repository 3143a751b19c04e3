"""A picture of a recommendation: requests per second against time per token, and the memory of a GPU.

matplotlib is an optional dependency; nothing else imports this module.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sizing.balance import Estimate, Tier

mpl.rcParams |= {
    "svg.hashsalt": "sizing",
    "svg.fonttype": "none",
}  # the same picture has the same text, and text is text

PARTS = ("weights", "activations", "other", "KV cache", "not used")
COLOURS = ("#4477aa", "#66ccee", "#ccbb44", "#228833", "#dddddd")


class Point(NamedTuple):
    """A layout under a number of streams."""

    streams: int
    itl: float
    """Seconds per token."""
    rate: float
    """Requests per second."""
    name: str


def front(points: Sequence[Point]) -> list[Point]:
    """The Pareto set: no other point has more requests per second at the same or a shorter time per token."""
    best: list[Point] = []
    for each in sorted(points, key=lambda point: (point.itl, -point.rate)):
        if not best or each.rate > best[-1].rate:
            best.append(each)
    return best


def draw(file: Path, title: str, points: Sequence[Point], best: Estimate) -> None:
    """Write the picture; the end of the file's name decides its format (SVG, PNG)."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    figure.suptitle(title, fontsize=11)
    _rates(left, points)
    _memory(right, [("prefill", best.prefill), ("decode", best.decode)])
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def _rates(axes: Axes, points: Sequence[Point]) -> None:
    """A line for each layout, from one stream to many; those with a part of the Pareto set have a colour and a name."""
    names = dict.fromkeys(each.name for each in front(points))
    for name in dict.fromkeys(each.name for each in points):
        own = sorted((each for each in points if each.name == name), key=lambda each: each.streams)
        style = {"label": name, "marker": "o", "markersize": 3} if name in names else {"color": "#cccccc", "zorder": 0}
        axes.plot([each.itl * 1000 for each in own], [each.rate for each in own], **style)
    axes.set(xlabel="time per token, ms", ylabel="requests/s", ylim=(0, None))
    axes.legend(fontsize=8, title="Pareto set", title_fontsize=8, loc="lower right")


def _memory(axes: Axes, tiers: Sequence[tuple[str, Tier]]) -> None:
    for place, (name, tier) in enumerate(reversed(tiers)):
        fit, start = tier.fit, 0.0
        parts = (fit.weights.likely, fit.activation.likely, fit.other, fit.pool.likely, fit.card.memory - fit.budget)
        for part, size, colour in zip(PARTS, parts, COLOURS, strict=True):
            axes.barh(place, size, left=start, color=colour, label=None if place else part)
            start += size
        axes.text(0, place + 0.42, f"{name}: {tier.count} x TP{tier.worker.flags.tensor_parallel}", fontsize=9)
    axes.set(xlabel="GiB per GPU", yticks=[], ylim=(-0.4, 2.1))
    axes.legend(ncols=3, fontsize=8, loc="upper center")
