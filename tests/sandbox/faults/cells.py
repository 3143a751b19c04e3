"""One cell of the table: a stack in a phase, struck by a fault, brought back."""

from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.sandbox.faults import recovery
from tests.sandbox.faults.command import PATIENCE, State, leftovers, started
from tests.sandbox.faults.phases import PHASES, Phase
from tests.sandbox.faults.snapshot import Snapshot, objects
from tests.sandbox.faults.stage import Stage
from tests.sandbox.faults.strikes import Fault
from tests.sandbox.running import soon
from tests.sandbox.stack.deployment import Deployment

UNDISTURBED = "undisturbed"


@dataclass
class Cells:
    """The stacks of a file of faults, and what an undisturbed one has after each phase."""

    stage: Stage
    wanted: dict[str, Snapshot] = field(default_factory=dict)
    stacks: dict[str, Deployment] = field(default_factory=dict)

    def stack(self, name: str) -> Deployment:
        """The stack that goes through the phases with one fault."""
        if name not in self.stacks:
            self.stacks[name] = self.stage.stack(f"faults-{name}")
        return self.stacks[name]

    def undisturbed(self) -> None:
        """Go through all phases without a fault."""
        stack = self.stack(UNDISTURBED)
        for name, phase in PHASES.items():
            stack.configure(**phase.settings)
            stack.pulumi(phase.command, "--yes", "--skip-preview", timeout=PATIENCE)
            self.wanted[name] = objects(self.stage.api, stack.stack)
            self.stage.whole.update(State.of(stack).names)

    def cell(self, name: str, fault: Fault, phase_name: str) -> list[str]:
        """Strike, and recover by what the screen says; return the commands that helped."""
        stack, phase = self.stack(name), PHASES[phase_name]
        failed = self.struck(stack, phase, fault)
        wanted = self.wanted[phase_name].declared
        done = recovery.recovered(stack, phase, failed, lambda: objects(self.stage.api, stack.stack).declared == wanted)
        self.settled(stack, phase_name)
        if recovery.ADOPT in done:
            stack.configure(adopt=None)
        return done

    def settled(self, stack: Deployment, phase_name: str) -> None:
        """All is as in the undisturbed stack, and nothing is left of the interruption."""
        wanted = self.wanted[phase_name]
        soon(lambda: objects(self.stage.api, stack.stack) == wanted, PATIENCE)
        assert objects(self.stage.api, stack.stack) == wanted
        assert leftovers(stack) == []
        if phase_name == "destroy":
            assert State.of(stack).resources == {}
        else:
            stack.pulumi("preview", "--expect-no-changes", timeout=PATIENCE)

    def struck(self, stack: Deployment, phase: Phase, fault: Fault) -> str:
        """Run the phase's command, let the fault strike in its middle; return what it said, empty if it succeeded."""
        stack.configure(**phase.settings)
        with ExitStack() as middle:
            reached = middle.enter_context(phase.held(self.stage, stack))
            with started(stack, phase.command) as running:
                assert soon(lambda: running.over or reached(), PATIENCE), running.said
                assert not running.over, running.said
                fault.strike(self.stage, running)
                middle.close()  # what waited goes on
                code = running.end()
                print(f"--- struck: pulumi {phase.command} → {code}\n{running.said}")
                return running.said if code else ""
