"""One cell of the table: a fault strikes the stack in a phase, and the commands on the screen recover it."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from sandbox.cluster import description
from sandbox.engine.stack_files import View
from sandbox.home import CHECKOUT
from sandbox.progress import Progress
from sandbox.session import Session
from tests.sandbox.faults.command import PATIENCE, Snapshot, State, differences, leftovers, objects, started
from tests.sandbox.faults.phases import PHASES, Fault, Phase
from tests.sandbox.faults.stage import Stage
from tests.sandbox.running import soon
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


_ORDER = list(PHASES)


@dataclass
class Cells:
    """One stack, and its objects in the cluster after each undisturbed phase.

    A cell ends in the state after its undisturbed phase, and the next cell starts there.
    """

    stage: Stage
    stack: Deployment
    wanted: dict[str, Snapshot] = field(default_factory=dict)
    after: str = _ORDER[-1]
    """The last completed phase; empty after a failed cell."""

    def undisturbed(self) -> None:
        """Run all phases without a fault, and record the result of each."""
        for name, phase in PHASES.items():
            self.pass_through(phase)
            self.wanted[name] = objects(self.stage.api, self.stack.stack)
            self.stage.whole.update(State.of(self.stack).names)

    def pass_through(self, phase: Phase) -> None:
        """Run a phase's command, which must succeed."""
        self.stack.configure(**phase.settings)
        self.stack.pulumi(phase.command, "--yes", "--skip-preview", timeout=PATIENCE)

    def cell(self, fault: Fault, phase_name: str) -> list[str]:
        """Strike, and recover with the commands on the screen; return the commands that helped."""
        self.before(phase_name)
        phase = PHASES[phase_name]
        failed = self.struck(phase, fault)
        done = recovered(self.stack, phase, failed, lambda: self.converged(phase_name))
        self.settled(phase_name)
        if ADOPT in done:
            self.stack.configure(adopt=None)
        return done

    def healed(self, fault: Fault, phase_name: str) -> None:
        """Strike, and run the same command once, as `make up` does."""
        self.before(phase_name)
        phase = PHASES[phase_name]
        self.struck(phase, fault)
        session = self.session()
        session.heal()
        assert session.call("pulumi", phase.command, "--yes", "--skip-preview", "--stack", self.stack.stack) == 0
        self.settled(phase_name)

    def before(self, phase_name: str) -> None:
        """Bring the stack to the start of the phase, if the last cell did not."""
        begin = _ORDER[_ORDER.index(phase_name) - 1]
        if self.after != begin:
            self.session().heal()
            for name in ("destroy", *_ORDER[: _ORDER.index(phase_name)]):
                self.pass_through(PHASES[name])
        self.after = ""

    def converged(self, phase_name: str) -> bool:
        """Whether all objects that Pulumi writes are as after the undisturbed phase."""
        wanted, now = self.wanted[phase_name].declared, self.now().declared
        print("--- differences:", *differences(wanted, now), sep="\n")
        return now == wanted

    def settled(self, phase_name: str) -> None:
        """Assert that everything is as after the undisturbed phase, without traces of the interruption."""
        wanted = self.wanted[phase_name]
        assert soon(lambda: self.now() == wanted, PATIENCE), differences(wanted.everything, self.now().everything)
        assert leftovers(self.stack) == []
        if phase_name == "destroy":
            assert State.of(self.stack).resources == {}
        else:
            self.stack.pulumi("preview", "--expect-no-changes", timeout=PATIENCE)
        self.after = phase_name

    def struck(self, phase: Phase, fault: Fault) -> str:
        """Run the phase's command with the fault in its middle; return its output, empty if it succeeded."""
        self.stack.configure(**phase.settings)
        with ExitStack() as middle:
            reached = middle.enter_context(phase.held(self.stage, self.stack))
            with started(self.stack, phase.command) as running:
                assert soon(lambda: running.over or reached(), PATIENCE), running.said
                assert not running.over, running.said
                fault.strike(self.stage, running)
                middle.close()  # held requests continue
                code = running.end()
                print(f"--- struck: pulumi {phase.command} → {code}\n{running.said}")
                return running.said if code else ""

    def now(self) -> Snapshot:
        return objects(self.stage.api, self.stack.stack)

    def session(self) -> Session:
        home, cluster = self.stack.cluster.home, description.default()
        view = View(home.view, CHECKOUT, self.stack.stack)
        return Session(home, self.stack.stack, self.stack.engine, view, Progress(), cluster)
