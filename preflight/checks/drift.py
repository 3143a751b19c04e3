"""State and cluster drifted apart in a way that a plain `up` does not see: it compares the program with the state."""

from collections.abc import Iterator
from dataclasses import replace

from preflight import generations
from preflight.checks.owners import question
from preflight.facts import Facts
from preflight.finding import Finding, error, some, warning

CHECK = "drift"
SWITCH = "generation that serves"
REFRESH = "`pulumi refresh`, then `pulumi up`"


def check(facts: Facts) -> Iterator[Finding]:
    """Objects of the state that were deleted, are being deleted, have a paused roll-out, or lead requests elsewhere."""
    own = [each for each in facts.objects if each.key in facts.state.uids]
    gone = [each for each in own if facts.asked(question(each)).absent]
    live = {each: facts.asked(question(each)).body for each in own if facts.asked(question(each)).ok}
    going = [each for each, body in live.items() if body["metadata"].get("deletionTimestamp")]
    paused = [each for each, body in live.items() if (body.get("spec") or {}).get("paused")]
    if gone:
        yield _finding(
            f"{some(gone)} {'is' if len(gone) == 1 else 'are'} in the stack's state and not in the cluster",
            "a plain `pulumi up` would leave it at that: nothing has changed for it",
            REFRESH,
        )
    if going:
        held = "; ".join(
            f"{each}: {', '.join(live[each]['metadata'].get('finalizers') or ['no finalizer'])}" for each in going
        )
        yield _finding(
            f"{some(going)} {'is' if len(going) == 1 else 'are'} being deleted, held by finalizers ({held})",
            "a plain `pulumi up` would change or keep it, and it would be gone afterwards",
            f"wait until it is gone, {REFRESH}",
        )
    now = replace(facts.state, inputs={each.key: body for each, body in live.items()})
    there, known = generations.serving(facts.plan, now), generations.serving(facts.plan, facts.state)
    if known is not None and there is not None and there not in (known, facts.plan.generation):
        yield error(
            SWITCH,
            generations.SETTING,
            f"requests are led to {generations.spoken(there)}; the stack's state has {generations.spoken(known)}",
            f"`pulumi up` would delete {generations.spoken(there)} without leading the requests to another one",
            REFRESH,
        )
    for each in paused:
        yield _finding(
            f"the roll-out of {each} is paused",
            "no change of its pods would be rolled out, and `pulumi up` with one would fail at its timeout",
            f"`kubectl -n {each.namespace} rollout resume deployment/{each.name}`",
        )


def _finding(evidence: str, outcome: str, remedy: str) -> Finding:
    return warning(CHECK, "serving.namespace", evidence, outcome, remedy)
