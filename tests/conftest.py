"""Every test run reacts to Ctrl-C, and prints the running tests after ten seconds without a result."""

import signal
import threading
import time

import pytest
from _pytest.capture import CaptureManager

_SILENT_SECONDS = 10
_LONG = ("tests/sandbox/stack/", "tests/sandbox/faults/", "tests/sandbox/serving/")


class _Watch:
    """Prints the running tests; in the process that reports, which hears of the tests of all workers."""

    def __init__(self, reporter: pytest.TerminalReporter, capture: CaptureManager) -> None:
        self._reporter, self._capture = reporter, capture
        self._began = self._heard = time.monotonic()
        self._running: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._running.pop(nodeid, None)
        self._heard = time.monotonic()

    def pytest_sessionfinish(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(1):
            now = time.monotonic()
            if now - self._heard < _SILENT_SECONDS - 1:
                continue
            self._heard = now
            tests = [f"{test} ({now - begun:.0f} s)" for test, begun in list(self._running.items())]
            line = f"{now - self._began:.0f} s: {', '.join(tests) or 'collecting or cleaning up'}"
            with self._capture.global_and_fixture_disabled():  # one process runs the tests and reports
                self._reporter.write_line("")
                self._reporter.write_line(line)


@pytest.hookimpl(trylast=True)  # the reporter is made by then
def pytest_configure(config: pytest.Config) -> None:
    # A script's background job ignores SIGINT, and so would every command that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Watch(reporter, config.pluginmanager.getplugin("capturemanager")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: one that starts last would be waited for."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))
