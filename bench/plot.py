"""The plots of docs/measurements.md. matplotlib is optional: without it the page keeps its former plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def bars(file: Path, groups: Sequence[str], series: Mapping[str, Sequence[float]]) -> None:
    """Draw seconds as horizontal bars, one group below the other."""
    try:
        import matplotlib as mpl  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        print(f"matplotlib is not installed: {file.name} stays as it is")
        return
    mpl.rcParams |= {"svg.hashsalt": "bench", "svg.fonttype": "none"}
    figure = Figure(figsize=(8, 0.5 + 0.7 * len(groups)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(series)
    for place, (name, seconds) in enumerate(series.items()):
        drawn = axes.barh([row + place * height for row in range(len(groups))], seconds, height * 0.9, label=name)
        axes.bar_label(drawn, [f"{each:.1f}" for each in seconds], padding=3)
    axes.set_yticks([row + height * (len(series) - 1) / 2 for row in range(len(groups))], groups)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.margins(x=0.1)
    axes.legend()
    figure.savefig(file, metadata={"Date": None})
