"""The faults: how each strikes a command that is in its middle."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.sandbox.faults.command import PATIENCE, Command
from tests.sandbox.faults.stage import Stage
from tests.sandbox.running import soon


@dataclass(frozen=True)
class Fault:
    """One row of the table."""

    title: str
    strike: Callable[[Stage, Command], None]


def _kill_plugin(_: Stage, running: Command) -> None:
    os.kill(running.plugin, signal.SIGKILL)


def _kill_engine(_: Stage, running: Command) -> None:
    running.engine.kill()
    running.end()


def _press_ctrl_c(_: Stage, running: Command) -> None:
    running.interrupt()
    assert soon(lambda: "cancel" in running.said or running.over, PATIENCE), running.said


ENGINE_SIDE = {
    "plugin": Fault("plugin killed", _kill_plugin),
    "engine": Fault("`pulumi` killed (SIGKILL)", _kill_engine),
    "ctrl-c": Fault("Ctrl-C", _press_ctrl_c),
}
