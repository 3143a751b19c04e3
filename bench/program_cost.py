"""Time that settings, plan and components cost: the amd stack against a flat program that declares the same objects.

`make bench`. Both run in turn on the same engine and cluster. The result is the ratio of the medians, which the
command writes to docs/measurements.md.
"""

import json
import statistics
import sys
from pathlib import Path

import yaml

from bench import page
from bench.stage import pulumi, stage
from sandbox.engine import Engine
from sandbox.engine.stack_files import serving
from sandbox.home import Home
from sandbox.progress import Progress
from tests.recorder import plain, run_program

RUNS = 5
PREFLIGHT, ALONE = 1.25, 1.1
"""Limits of the ratio: with the preflight, and without it."""
OFF, SIZED = "without preflight: ", "with serving.gpu: "
LIMITS = {
    "first preview": PREFLIGHT,
    "first up": PREFLIGHT,
    "preview without changes": PREFLIGHT,
    "up without changes": PREFLIGHT,
    f"{OFF}preview without changes": ALONE,
    f"{OFF}up without changes": ALONE,
    f"{SIZED}preview without changes": PREFLIGHT,
    f"{SIZED}up without changes": PREFLIGHT,
}
FLAT = Path(__file__).parent / "flat"


def main() -> int:
    """Print the table; return 1 if a ratio is over its limit."""
    progress = Progress()
    with stage(progress) as (home, engine):
        runs = {"program": engine, "flat": _flat(home, engine)}
        times: dict[str, dict[str, list[float]]] = {name: {what: [] for what in LIMITS} for name in runs}
        rounds = [*runs, *(list(runs) * RUNS)]  # the first round of each is a warm-up and does not count
        for number, name in enumerate(rounds, start=1):
            with progress.step(f"round {number} of {len(rounds)}: {name}"):
                for what, seconds in _round(home, runs[name]).items():
                    times[name][what].append(seconds)
    return _report(times)


def _flat(home: Home, engine: Engine) -> Engine:
    """Make a project of the flat program on the same backend, with the objects that the recorder saw."""
    folder = home.root / "flat"
    folder.mkdir()
    project = yaml.safe_load((engine.cwd / "Pulumi.yaml").read_text())
    flat_project = {"name": "flat", "main": str(FLAT), "runtime": project["runtime"]}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(flat_project))
    settings = serving(engine.cwd / "Pulumi.amd.yaml")  # the sandbox's copy: it may name a release
    objects = [plain(each) for each in run_program(settings, token="placeholder").objects.values()]
    order = {"Namespace": 0, "ServiceAccount": 1}
    objects.sort(key=lambda each: order.get(each["kind"], 2))
    (folder / "objects.json").write_text(json.dumps(objects))
    flat = Engine({**engine.env, "BENCH_OBJECTS": str(folder / "objects.json")}, folder, [])
    pulumi(home, flat, "stack", "init", "amd")
    pulumi(home, flat, "config", "set", "--secret", "hfToken", "placeholder")
    return flat


def _round(home: Home, engine: Engine) -> dict[str, float]:
    """Return the seconds of each command, from an empty cluster back to an empty cluster."""
    seconds = {
        "first preview": pulumi(home, engine, "preview"),
        "first up": pulumi(home, engine, "up", "--yes", "--skip-preview"),
    }
    for prefix, setting, value in (("", "preflight", "warn"), (OFF, "preflight", "off"), (SIZED, "gpu", "MI300X")):
        pulumi(home, engine, "config", "set", "--path", f"llm-d-pd:serving.{setting}", value)
        seconds |= {
            f"{prefix}preview without changes": pulumi(home, engine, "preview", "--expect-no-changes"),
            f"{prefix}up without changes": pulumi(home, engine, "up", "--yes", "--skip-preview", "--expect-no-changes"),
        }
        pulumi(home, engine, "config", "rm", "--path", f"llm-d-pd:serving.{setting}")
    pulumi(home, engine, "destroy", "--yes", "--skip-preview")
    return seconds


def _report(times: dict[str, dict[str, list[float]]]) -> int:
    rows, over = [("", "program", "flat program", "ratio", "limit")], 0
    for what, limit in LIMITS.items():
        program, flat = (statistics.median(times[name][what][1:]) for name in ("program", "flat"))
        over |= program / flat > limit
        rows.append((what, f"{program:.2f} s", f"{flat:.2f} s", f"{program / flat:.2f}", f"{limit:.2f}"))
    page.write("program", rows, f"Medians of {RUNS}.")
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
