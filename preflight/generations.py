"""The generations in the state of the stack, and the refusals of changes to them.

The main HTTPRoute in the state says which generation serves; with standalone, the Service of the stack's Envoy does.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from components.config.problem import Problem
from components.config.vocabulary import ChangeStrategy, Role
from components.names import INSTANCE, Names, led_to, word_of
from components.plan import ServingPlan
from components.pods import change_cost
from preflight.state import State

SETTING = "serving.rollout.generation"


def serving(plan: ServingPlan, state: State) -> str | None:
    """The word of the generation that clients reach; None: no generation serves, or it is not known."""
    for switch in (
        f"HTTPRoute/{plan.namespace.namespace}/{plan.gateway.route.name}",
        f"Service/{plan.namespace.namespace}/{plan.gateway.name}",
    ):
        word = led_to((state.inputs.get(switch) or {}).get("spec") or {}, plan.namespace.labels[INSTANCE])
        if word is not None:
            return word
    return None


def present(plan: ServingPlan, state: State) -> set[str]:
    """The words of all generations with workers in the state."""
    tiers = re.compile(rf"Deployment/{re.escape(plan.namespace.namespace)}/(ms-.*)$")
    found = (word_of(match[1], plan.namespace.labels[INSTANCE]) for key in state.inputs if (match := tiers.match(key)))
    return {word for word in found if word is not None}


def beside(plan: ServingPlan, state: State) -> bool:
    """Whether this run makes or changes a generation while another one serves."""
    return serving(plan, state) not in (None, plan.generation)


def problems(plan: ServingPlan, state: State) -> Iterator[Problem]:
    """Refusals: a third generation, a generation without an order of deletion, a restart of workers with blueGreen."""
    word, now, there = plan.generation, serving(plan, state), present(plan, state)
    if now is None:
        return
    unfinished = sorted(there - {now, word})
    if word not in there and unfinished:
        yield Problem(
            SETTING,
            word,
            f"is a third generation: {spoken(now)} serves, and {spoken(unfinished[0])} is unfinished in the state",
            "the GPUs of three generations would be needed at a time",
            f"set it to {unfinished[0] or repr('')}, and `pulumi up` changes the unfinished generation; or `pulumi up` "
            "the previous commit, which deletes it",
        )
    elif word not in there and not state.ordered:
        yield Problem(
            SETTING,
            word,
            f"is another generation than the one that serves ({spoken(now)}), and the state has no order in which to "
            "delete that one",
            "its endpoint picker would be deleted together with its workers, and requests under way would fail",
            f"`pulumi up` once with {now or repr('')}, which changes no pod; then set {word or repr('')} again",
        )
    if plan.strategy is not ChangeStrategy.BLUE_GREEN or word != now:
        return
    if restarts := change_cost.restarts(plan, state.inputs):
        yield Problem(
            SETTING,
            word,
            f"is the generation that serves, and this change restarts its {change_cost.tiers(restarts)} workers "
            "(serving.rollout.strategy: blueGreen)",
            change_cost.service(plan, restarts),
            f"`pulumi config set --path {SETTING} {'c' if word == 'b' else 'b'}`, or serving.rollout.strategy: inPlace",
        )


def notes(plan: ServingPlan, state: State) -> Iterator[str]:
    """What this run costs, and what is not checked."""
    now = serving(plan, state)
    if plan.strategy is ChangeStrategy.BLUE_GREEN and not state.known:
        yield "serving.rollout.strategy: blueGreen is not checked: the state of the stack cannot be read"
    if beside(plan, state):
        yield change_cost.second(plan, state.inputs, spoken(plan.generation), spoken(now or ""))
    elif restarts := change_cost.restarts(plan, state.inputs):
        yield change_cost.note(plan, restarts)
    old, new = _served_name(plan, state, now), plan.decode.worker.model.served_name
    if old not in ("", new):
        yield (
            f"requests for the model {old} get 404 after this change, because the workers serve it as {new}; with "
            f"`serving.model.servedName: {old}` clients notice nothing"
        )


def _served_name(plan: ServingPlan, state: State, word: str | None) -> str:
    """The model's name that clients send to a generation; empty: not known."""
    name = Names(plan.namespace.labels[INSTANCE], plan.namespace.namespace, word or "").tier(Role.DECODE)
    pod = ((state.inputs.get(f"Deployment/{plan.namespace.namespace}/{name}") or {}).get("spec") or {}).get(
        "template"
    ) or {}
    flags = (word for each in (pod.get("spec") or {}).get("containers") or [] for word in each.get("args") or [])
    return next((flag.partition("=")[2] for flag in flags if flag.startswith("--served-model-name=")), "")


def resolved(plan: ServingPlan, state: State) -> ServingPlan:
    """The plan, in which the unnamed generation also has a second route while another generation serves.

    The plan keeps this route as long as the state has it, so that an `up` without a change changes nothing.
    """
    route = f"HTTPRoute/{plan.namespace.namespace}/{plan.gateway.trial}"
    if plan.gateway.beside or not (beside(plan, state) or route in state.inputs):
        return plan
    return replace(plan, gateway=plan.gateway.model_copy(update={"beside": True}))


def spoken(word: str) -> str:
    """The words for a generation in a message."""
    return f"generation {word}" if word else "the unnamed generation"
