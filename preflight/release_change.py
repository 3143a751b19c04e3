"""The note on a stack that names no release and was deployed with another release than the default."""

from collections.abc import Iterator

from components.plan import ServingPlan
from components.pods import change_cost
from preflight import generations
from preflight.state import State


def notes(plan: ServingPlan, state: State) -> Iterator[str]:
    """The note: both releases, what the move restarts, and how to keep the release that is deployed."""
    if plan.release_named or state.release in ("", plan.release.value):
        return
    yield "\n".join(
        [
            f'serving.release is not set, and its default is "{plan.release}". This stack was deployed with '
            f'"{state.release}": this run moves it',
            *_effect(plan, state),
            f'serving.release: "{state.release}" keeps the release; docs/releases.md says what else changes',
        ]
    )


def _effect(plan: ServingPlan, state: State) -> Iterator[str]:
    if generations.beside(plan, state):
        old = generations.spoken(generations.serving(plan, state) or "")
        yield f"{generations.spoken(plan.generation)} gets it; {old} serves requests meanwhile"
    elif restarts := change_cost.restarts(plan, state.inputs):
        at_once = " at once" if all(each.why for each in restarts) else ""
        yield f"the {change_cost.tiers(restarts)} workers are replaced{at_once}"
        yield change_cost.service(plan, restarts)
        yield "without an outage: another word in serving.rollout.generation (docs/changes.md)"
