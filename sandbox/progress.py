"""Progress of long steps in one line: the step, its time so far and its expected time.

`python3 -m sandbox.progress <text> <command…>` shows it for a command that is silent.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


def clock(seconds: float) -> str:
    """Format a duration: "4.2 s" or "2:35 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


class Progress:
    """Steps, one line each: rewritten in place on a terminal, plain lines elsewhere.

    Without a terminal, a long step prints a line every `every` seconds.
    """

    def __init__(self, stream: TextIO | None = None, *, every: float = 10) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._every = 1.0 if self._terminal else every

    def say(self, text: str) -> None:
        """Write one line that stays."""
        print(text, file=self._stream, flush=True)

    @contextmanager
    def step(
        self, text: str, *, expected: float | None = None, state: Callable[[], str] | None = None
    ) -> Iterator[None]:
        """Show `text` and `state()` while the body runs, then its duration. `expected` is in seconds."""
        of = f" of about {clock(expected)}" if expected else ""
        start = time.monotonic()
        ended = threading.Event()

        def line(state: str) -> None:
            self._stream.write(f"\r\x1b[K{text}  {state}" if self._terminal else f"{text}  {state}\n")
            self._stream.flush()

        def watch() -> None:
            while not ended.wait(self._every):
                line(f"{clock(time.monotonic() - start)}{of}{f', {state()}' if state else ''}")

        if self._terminal or expected:
            line(f"(about {clock(expected)})" if expected else "…")
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        outcome = "stopped after"
        try:
            yield
            outcome = "done in"
        finally:
            ended.set()
            watcher.join()
            line(f"{outcome} {clock(time.monotonic() - start)}" + ("\n" if self._terminal else ""))


if __name__ == "__main__":
    with Progress().step(sys.argv[1]):
        status = subprocess.run(sys.argv[2:], check=False).returncode
    sys.exit(status)
