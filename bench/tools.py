"""CPU minutes of each tool that a first `make up STACK=amd` builds, from empty caches and one after another.

`make bench-tools`. No other command runs it, because it takes a quarter of an hour.
"""

import resource
import sys
import tempfile
from pathlib import Path

from bench import page
from sandbox import session
from sandbox.home import CHECKOUT
from sandbox.progress import Progress
from sandbox.toolchain import CONTROL_PLANE, building
from sandbox.toolchain.catalog import SOURCES, Executables

LIMIT = 27.0
"""CPU minutes."""


def main() -> int:
    """Build into a temporary folder; write the section."""
    names = {*CONTROL_PLANE, "pulumi", *session.needed_tools(CHECKOUT / "Pulumi.amd.yaml", pods=True)}
    keys = [key for key, source in SOURCES.items() if names & (source.names or {key})]
    report, rows, total = Progress(), [], 0.0
    ignored = CHECKOUT / ".sandbox"  # by git
    ignored.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ignored) as temporary:
        folder = Path(temporary)
        go = building.find(folder, building.needed(SOURCES[key].folder / "go.mod" for key in keys), report)
        for number, key in enumerate(keys, start=1):
            source, target = SOURCES[key], folder / key
            target.mkdir()
            with report.step(f"[{number}/{len(keys)}] {key}", expected=source.minutes * 60):
                before = _processor_minutes()
                building.make(source, go, target)
                spent = _processor_minutes() - before
            size = sum(file.stat().st_size for file in target.iterdir()) / 1e6
            what = ", ".join(sorted(source.packages)) if isinstance(source, Executables) else "definitions"
            rows.append((f"{key}: {what}", f"{spent:.1f}", f"{size:.0f}"))
            total += spent
    rows.append((f"all (limit {LIMIT:.0f})", f"{total:.1f}", ""))
    page.write("tools", [("tool", "CPU minutes", "MB"), *rows], "The work of downloads is included.")
    return 0


def _processor_minutes() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) / 60


if __name__ == "__main__":
    sys.exit(main())
