"""The preflight as part of the Pulumi program: after the plan, before the first resource."""

from concurrent.futures import Future

import pulumi

import preflight
from components.config.vocabulary import Preflight
from components.kubernetes_provider import Target
from components.plan import ServingPlan
from components.stack_state import Resources
from preflight import release_change
from preflight.answers import Unreachable
from preflight.cluster import Cluster
from preflight.finding import Report, Severity
from preflight.state import State

WITHOUT = (
    "`serving.preflight: enforce` (and `adopt`) does not go on without the cluster: mend the way to it, or "
    "`pulumi config set --path serving.preflight warn`"
)


def before_anything(plan: ServingPlan, target: Target, reading: Future[Resources | None]) -> tuple[str, State]:
    """Run the preflight, report it, and stop the program where needed; return the cluster's UID and the state.

    Raises `pulumi.RunError` on another cluster than the stack's, and where this run would delete the generation that
    serves; with `enforce`, on any error and without a cluster.
    """
    state = State.of(reading.result())
    for note in release_change.notes(plan, state):
        pulumi.warn(note)
    try:
        cluster = Cluster.connect(target.kubeconfig, target.context)
    except Unreachable as error:
        report = Report(str(target), unreachable=str(error))
    else:
        if plan.preflight is Preflight.OFF:
            report = preflight.identify(plan, cluster, state)
        else:
            report = preflight.run(plan, cluster, state, preview=pulumi.runtime.is_dry_run())
    _judge(plan, report)
    return report.uid or state.cluster, state


def _judge(plan: ServingPlan, report: Report) -> None:
    enforced = plan.preflight is Preflight.ENFORCE
    if enforced and report.unreachable:
        raise pulumi.RunError(f"{report.text()}\n{WITHOUT}\n\nNothing was touched.\n")
    never = (preflight.identity.CHECK, preflight.drift.SWITCH)
    if any(each.check in never for each in report.of(Severity.ERROR)) or (enforced and not report.passed):
        raise pulumi.RunError(f"{report.text()}\n\nNothing was touched.\n")
    if report.of(Severity.ERROR) or report.of(Severity.WARNING):
        pulumi.warn(f"{report.text()}\n\nserving.preflight: {plan.preflight}, so this stops nothing.")
    else:
        pulumi.info(report.text())
