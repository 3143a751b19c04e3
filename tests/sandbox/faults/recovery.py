"""Recovery only with the commands that the screen names, until the cluster has the wanted state."""

from collections.abc import Callable

from tests.sandbox.faults.command import PATIENCE
from tests.sandbox.faults.phases import Phase
from tests.sandbox.stack.deployment import Deployment

CANCEL = "pulumi cancel"
CLEAR = "pulumi refresh --clear-pending-creates"
ADOPT = "pulumi up with adopt"
REFRESH = "pulumi refresh"
_PENDING = "`pulumi refresh` will need to be run interactively to clear pending CREATE operations"
"""The CLI's text that needs `--clear-pending-creates`, which answers its question at a terminal."""
_MOST = 8
"""Most commands in a row; more would be a loop."""


def recovered(stack: Deployment, phase: Phase, failed: str, converged: Callable[[], bool]) -> list[str]:
    """Continue after a command with a fault until all is well; return the commands that helped.

    `failed` is its output if it failed; empty if it completed by itself. A command that only fails and names the next
    one does not count.
    """
    helped, said, due = list[str](), failed, bool(failed)
    for _ in range(_MOST):
        if not said and not due and converged():
            break
        command = _next(said, phase, helped, due=due)
        code, said = _run(stack, command)
        if code == 0:
            helped.append(command)
            due = due and command in (CANCEL, CLEAR)
    else:
        raise AssertionError(f"{helped} did not help; the last one says:\n{said}")
    return helped


def _next(said: str, phase: Phase, helped: list[str], *, due: bool) -> str:
    """The command that the screen names; else the same command again."""
    if "`pulumi cancel`" in said:
        return CANCEL
    if "already exists" in said or "conflict with" in said:
        assert "`pulumi config set --path serving.adopt true`" in said, said
        return ADOPT
    if _PENDING in said and not due:
        return CLEAR
    if due:
        return f"pulumi {phase.command}"
    return "pulumi up" if REFRESH in helped else REFRESH


def _run(stack: Deployment, command: str) -> tuple[int, str]:
    """Run a command; return its exit code, and its output if something is wrong."""
    if command == CANCEL:
        stack.pulumi("cancel", "--yes")
        return 0, ""
    words = command.split()[1:]
    if command == ADOPT:
        stack.configure(adopt=True)
        words = ["up"]
    ran = stack.pulumi(*words, "--yes", "--skip-preview", "--color=never", ok=False, timeout=PATIENCE)
    said = ran.stdout + ran.stderr
    print(f"--- {command} → {ran.returncode}\n{said}")
    return ran.returncode, said if ran.returncode or _PENDING in said else ""
