"""The cost of a change of the workers, printed before it: pods, rounds, minutes, and whether requests are served.

Every changed field of the pod template restarts a pod. `pairing` names the fields that old and new workers must have
alike; a tier that changes one of them is replaced at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from components.config.vocabulary import ReleaseName, Role
from components.plan import ServingPlan
from components.plan.worker_args import ResolvedTier, Strategy
from components.pods import pairing, sidecar
from components.pods.worker_pod import objects

TITLE = "cost of this change:"
"""First words of the note. `review/changes.py` finds it by them."""

PAGE = "docs/changes.md"


@dataclass(frozen=True)
class Restart:
    """A tier with running pods that this run replaces."""

    worker: ResolvedTier
    """The tier after the run."""
    pods: int
    """Pods that run now, as the state has their number."""
    changed: Sequence[pairing.Change]
    """The fields that old and new workers of the tier must have alike, and do not."""
    why: str
    """Why all of them are replaced at once; empty: they are replaced in rounds."""

    @property
    def rounds(self) -> int:
        """How many times in a row pods are replaced."""
        rollout = self.worker.rollout
        at_once = max(rollout.max_unavailable + rollout.max_surge, 1)
        return 1 if self.why else ceil(self.pods / at_once)

    @property
    def served(self) -> bool:
        """Whether pods of the tier serve meanwhile."""
        return not self.why and self.pods > self.worker.rollout.max_unavailable

    @property
    def minutes(self) -> int:
        """Longest time until all pods are new."""
        return self.rounds * (self.load + self.end)

    @property
    def load(self) -> int:
        """Minutes in which a worker may load the model."""
        return ceil(self.worker.rollout.startup_budget / 60)

    @property
    def end(self) -> int:
        """Minutes in which a worker may finish its requests."""
        return ceil(self.worker.rollout.termination_grace / 60)


def restarts(plan: ServingPlan, inputs: Mapping[str, Mapping[str, Any]]) -> list[Restart]:
    """The tiers with another pod template than in the state."""
    beside = {Role.DECODE: [sidecar.container(plan.decode.sidecar, on_host=plan.decode.worker.host_network)]}
    found, every = [], pairing.changes(plan, inputs)
    for worker in (plan.prefill.worker, plan.decode.worker):
        former = inputs.get(f"Deployment/{worker.namespace}/{worker.name}")
        if not former:
            continue
        spec = former.get("spec") or {}
        deployment = objects(worker, beside.get(worker.role, []))[0].document
        apart = deployment["metadata"].get("annotations") != (former.get("metadata") or {}).get("annotations")
        if apart or deployment["spec"]["template"] != spec.get("template"):
            pods = worker.replicas if worker.autoscaled else int(spec.get("replicas") or 0)
            changed = [each for each in every if each.role is worker.role]
            found.append(Restart(worker, pods, changed, _reason(worker, changed, apart=apart)))
    return found


def note(plan: ServingPlan, found: Sequence[Restart]) -> str:
    """The cost of the restarts in words."""
    lines = [_line(each) for each in found]
    changed = (each for restart in found for each in restart.changed)
    fields = dict.fromkeys(f"  {each.field}: {each.before or 'unset'} → {each.after or 'unset'}" for each in changed)
    if fields:
        lines += ["old and new workers cannot exchange KV blocks, because these differ:", *fields]
    else:
        lines.append("old and new workers exchange KV blocks")
    lines.append(service(plan, found))
    lines.append(
        "without an outage: another word in serving.rollout.generation, which needs "
        f"{_gpus(plan)} more GPUs meanwhile ({PAGE})"
    )
    return "\n".join([TITLE, *lines])


def second(plan: ServingPlan, inputs: Mapping[str, Mapping[str, Any]], new: str, old: str) -> str:
    """The cost of a second generation in words; `new` and `old` name the generations."""
    tiers = (plan.prefill.worker, plan.decode.worker)
    names = {worker.name for worker in tiers}
    pods = [
        each["spec"]["template"]["spec"]
        for key, each in inputs.items()
        if key.startswith("Deployment/") and key.rpartition("/")[2] not in names
    ]
    drain = ceil(max((int(each.get("terminationGracePeriodSeconds") or 30) for each in pods), default=0) / 60)
    start = ceil(max(worker.rollout.create_timeout for worker in tiers) / 60)
    return "\n".join(
        [
            TITLE,
            f"{new} is made beside {old}: {_gpus(plan)} more GPUs until the old workers are deleted",
            "requests are served meanwhile, by the old generation until the new one is Ready",
            "no KV block is transferred between the generations",
            f"`pulumi up` takes at most {start + drain} minutes: {start} for the new workers, {drain} for the streams "
            "of the old ones. Logins and time limits of a CI job must last as long",
        ]
    )


def _gpus(plan: ServingPlan) -> int:
    return sum(worker.replicas * worker.gpus for worker in (plan.prefill.worker, plan.decode.worker))


def _reason(worker: ResolvedTier, changed: Sequence[pairing.Change], *, apart: bool) -> str:
    if apart:
        return "because one pod takes other GPUs or another network"
    if changed:
        return "because old and new workers cannot exchange KV blocks"
    return "because the tier has strategy Recreate" if worker.rollout.strategy is Strategy.RECREATE else ""


def _line(each: Restart) -> str:
    """`4 prefill pods are replaced in 4 rounds: at most 128 minutes …`."""
    pods = f"{each.pods} {each.worker.role} pod{'s are' if each.pods != 1 else ' is'} replaced"
    how = f"all at once, {each.why}" if each.why else f"in {each.rounds} round{'s' if each.rounds != 1 else ''}"
    parts = f"{each.end} for its requests (rollout.terminationGrace) and {each.load} to load (rollout.startupBudget)"
    return f"{pods} {how}: at most {each.minutes} minutes; each pod has {parts}, after pulling the image"


def tiers(found: Sequence[Restart]) -> str:
    """The names of the restarted tiers in words."""
    return " and ".join(each.worker.role for each in found)


def service(plan: ServingPlan, found: Sequence[Restart]) -> str:
    """Whether requests are served while these tiers are replaced."""
    gone = {each.worker.role: each for each in found if not each.served}
    if each := gone.get(Role.DECODE):
        return (
            f"no request is answered while no decode worker is Ready: an outage of at most {each.load} minutes, which "
            "begins when the last old worker has finished its requests"
        )
    if each := gone.get(Role.PREFILL):
        if plan.release >= ReleaseName.V0_10:  # its EPP chooses no decode worker without a prefill worker
            return f"requests fail while no prefill worker is Ready: an outage of at most {each.load} minutes"
        return f"requests are served; decode workers compute the prompts for at most {each.load} minutes"
    return "requests are served meanwhile, by the other workers of the tier"
