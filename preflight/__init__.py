"""Reads the live cluster before the first resource, and reports at once every problem that would make `up` fail.

`run(plan, cluster)` is the entry point: `plan` as `components.plan.resolve` makes it, `cluster` from
`preflight.cluster.Cluster.connect`. It changes nothing there.
"""

from collections.abc import Iterator

from components.plan import ServingPlan
from preflight.answers import Unreachable
from preflight.checks import (
    admission,
    capacity,
    changed_pods,
    drift,
    fields,
    gateway_class,
    identity,
    istio,
    kinds,
    namespace,
    network_policies,
    owners,
    prerequisites,
    proxies,
    queue,
    quota,
    references,
    rights,
    shared_gateway,
    sizing,
    version,
)
from preflight.facts import IDENTITY, Asked, Facts
from preflight.finding import Finding, Report, Severity, error, ordered, warning
from preflight.state import State

CHECKS = (
    version,
    kinds,
    gateway_class,
    istio,
    shared_gateway,
    capacity,
    sizing,
    namespace,
    prerequisites,
    references,
    quota,
    queue,
    rights,
    owners,
    drift,
    fields,
    admission,
    changed_pods,
    network_policies,
    proxies,
)

__all__ = ["Finding", "Report", "Severity", "State", "identify", "run"]


def run(plan: ServingPlan, cluster: Asked, state: State | None = None, *, preview: bool = False) -> Report:
    """Every finding about one cluster. `state` is the stack's, which tells its own objects from others' ones.

    `preview`: nothing is changed in this run.

    Never raises: a cluster that does not answer is in the report, and so is a check that could not be made.
    """
    return _reported(Facts(plan, cluster, state or State(), preview), everything=True)


def identify(plan: ServingPlan, cluster: Asked, state: State) -> Report:
    """Only whether it is still the cluster that the stack was deployed to; one request."""
    return _reported(Facts(plan, cluster, state), everything=False)


def _reported(facts: Facts, *, everything: bool) -> Report:
    try:
        answer = facts.asked(IDENTITY)  # alone and first: a cluster that does not answer is waited for once
        if answer.missed:
            return Report(facts.cluster.name, unreachable=f"the API server does not answer: {answer.why}")
        if answer.code == 401:
            return Report(facts.cluster.name, [_logged_out(answer.why)])
        # Capacity and existing objects are not checked on another cluster.
        found = list(identity.check(facts))
        if everything and not any(each.severity is Severity.ERROR for each in found):
            facts.collect([question for each in CHECKS if hasattr(each, "asks") for question in each.asks(facts)])
            found += [finding for check in CHECKS for finding in _made(check, facts)]
            found += _missed(facts)
        return Report(facts.cluster.name, ordered(found), facts.uid)
    except Unreachable as error:
        return Report(facts.cluster.name, unreachable=str(error))


def _made(check: object, facts: Facts) -> Iterator[Finding]:
    """A check's findings; something unexpected in an object is a finding, too."""
    try:
        yield from list(check.check(facts))  # type: ignore[attr-defined]  # a module of `checks`
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        name = check.__name__.rpartition(".")[2].replace("_", " ")  # type: ignore[attr-defined]
        yield warning(
            name,
            "serving.preflight",
            f"the check met something that it does not understand: {type(error).__name__} {error}",
            "this part of the cluster is not checked",
            "please report it with the objects concerned; `pulumi up` is not hindered",
        )


def _missed(facts: Facts) -> Iterator[Finding]:
    if facts.missed:
        yield warning(
            "API server",
            "serving.preflight",
            "\n".join(f"{path.partition('?')[0]}: {why}" for path, why in facts.missed.items()),
            "what depends on these answers is not checked",
            "see `kubectl get apiservices`: an API that its own server serves may be down or slow",
        )


def _logged_out(why: str) -> Finding:
    return error(
        "login",
        "serving.cluster.context",
        f"the API server does not accept the kubeconfig's credentials: {why}",
        "`pulumi up` could not read or make anything",
        "log in to the cluster again (expired tokens and certificates end like this), or name another context",
    )
