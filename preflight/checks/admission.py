"""Admission: what policies, webhooks, Pod Security, quotas and LimitRanges say to the stack's objects and pods."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from components.config.vocabulary import PodSecurity
from preflight import refusals
from preflight.checks import namespace, quota
from preflight.dry_run import Trial, afresh, asked_within, trials
from preflight.facts import Facts
from preflight.finding import Finding, Severity, note, some
from preflight.pods import made_by
from preflight.quantity import Amounts, thousandths
from preflight.refusals import Refusal

CHECK = "admission"
OTHER = Refusal("API server", "", remedy="correct {setting}")
BUSY = (408, 429, 503, 504)
"""Codes of no answer in time."""
NOT_KNOWN = "`pulumi up` may be refused half-way"
MAY_NOT = "this user may not create pods"


class Refused(NamedTuple):
    """One refusal."""

    trial: Trial
    kind: Refusal
    why: str
    names: Mapping[str, str]


def check(facts: Facts) -> Iterator[Finding]:
    """Each refusal once, with the objects that it concerns; then what could not be asked."""
    asked = list(trials(facts))
    facts.collect([each.question for each in asked])
    every = list(filter(None, (_refused(facts, each) for each in asked)))
    invalid = [each.trial.declared for each in every if each.kind is OTHER and not each.trial.pod]
    refused: dict[tuple[str, str], list[Refused]] = {}
    for found in every:
        if found.kind is OTHER and found.trial.pod and found.trial.declared in invalid:
            continue  # the fault of its Deployment again, under another path
        what = found.names.get("name") or found.names.get("level") or refusals.words(found.why)
        refused.setdefault((found.kind.check, what), []).append(found)
    yield from (_finding(facts, several) for several in refused.values())
    yield from _not_asked(facts, asked)


def _refused(facts: Facts, trial: Trial) -> Refused | None:
    """What refuses an object; None: nothing, or another check reports it."""
    answer = facts.asked(trial.question)
    if answer.code == 422 and trial.question.apply:
        answer = facts.asked(afresh(trial))
    elsewhere = (*refusals.ELSEWHERE, refusals.NO_DRY_RUN, refusals.NOT_PERMITTED)
    if (
        answer.ok
        or answer.missed
        or answer.code in (401, 409, *BUSY)
        or any(re.search(each, answer.why) for each in elsewhere)
    ):
        return None
    for kind in (*refusals.KNOWN, OTHER):
        if match := re.search(kind.pattern, answer.why):
            found = Refused(trial, kind, answer.why, match.groupdict())
            return None if _spoken_for(facts, found) else found
    return None


def _spoken_for(facts: Facts, found: Refused) -> bool:
    """Whether `up` itself ends the refusal: it relabels the namespace, or replaces the pods that fill the quota."""
    if found.kind.pattern == refusals.SECURITY:
        return bool(facts.plan.namespace.create and facts.plan.namespace.pod_security)
    return found.kind.pattern == refusals.EXCEEDED and not _beyond(facts, found)


def _beyond(facts: Facts, found: Refused) -> bool:
    """Whether a quota refuses also when the running pods of the same Deployment, which `up` replaces, are gone."""
    if found.names["name"] in quota.exhausted(facts):
        return False  # all replicas together are that check's
    pods = quota.running(facts) if found.trial.pod else []
    free = quota.counted_for(each for each in pods if found.trial.declared.name in made_by(each))
    used, most = _listed(found.names["used"]), _listed(found.names["most"])
    return any(
        used.get(name, 0) - free.get(name, 0) + amount > most.get(name, 0)
        for name, amount in _listed(found.names["asked"]).items()
    )


def _listed(text: str) -> Amounts:
    """Amounts in a quota's words: `cpu=1,memory=2Gi`."""
    pairs = (each.partition("=") for each in text.split(","))
    return {name: thousandths(amount) for name, _, amount in pairs}


def _finding(facts: Facts, refused: Sequence[Refused]) -> Finding:
    first = refused[0]
    paths = list(dict.fromkeys(first.kind.setting or _setting(facts, each) for each in refused))
    if first.kind.pattern == refusals.SECURITY:
        paths = ["serving.hostNetwork" if facts.plan.decode.worker.host_network else "serving.namespace"]
        remedy = namespace.ways_out(facts, PodSecurity(first.names["level"]))
    else:
        account, where = facts.plan.namespace.service_account, facts.namespace
        remedy = first.kind.remedy.format(setting=" and ".join(paths), namespace=where, account=account, **first.names)
    said = "\n".join(dict.fromkeys(refusals.words(each.why) for each in refused))
    return Finding(
        first.kind.check,
        Severity.ERROR,
        max(paths, key=lambda path: path.count(".")),  # the one that says most
        f"the API server refuses {some([each.trial for each in refused])}:\n{said}",
        "the Deployments would stay without pods, and `pulumi up` fail at its timeout"
        if all(each.trial.pod for each in refused)
        else "`pulumi up` would be refused it half-way",
        remedy,
    )


def _setting(facts: Facts, refused: Refused) -> str:
    """The setting that a refusal is about; of CPU and memory, the limit where that is what is refused."""
    part = refused.trial.declared.part
    found = refusals.setting(part, refused.why)
    tier = {"prefill": facts.plan.prefill.worker, "decode": facts.plan.decode.worker}.get(part)
    resource = found.rpartition(".")[2]
    differs = tier and resource in ("cpu", "memory") and tier.limits.get(resource) != tier.resources.get(resource)
    return f"{found}Limit" if differs and "limit is" in refused.why else found


def _not_asked(facts: Facts, asked: Sequence[Trial]) -> Iterator[Finding]:
    """Notes: no namespace yet, no right to create pods, webhooks without dry run, no answer in time."""
    if not asked_within(facts) and facts.plan.namespace.create:
        yield _note(
            "serving.namespace",
            f"pods cannot be asked for before the namespace {facts.namespace} exists: what policies, webhooks and Pod "
            "Security of the cluster say to them is not known",
            "",
        )
    silent: dict[str, list[Trial]] = {}
    for each in asked:
        answer = facts.asked(each.question)
        if match := re.search(refusals.NO_DRY_RUN, answer.why):
            silent.setdefault(f"the webhook {match['name']} does not support dry run", []).append(each)
        elif answer.code in BUSY:
            silent.setdefault(f"the API server does not answer in time ({answer.why})", []).append(each)
        elif each.pod and re.search(refusals.NOT_PERMITTED, answer.why):
            silent.setdefault(MAY_NOT, []).append(each)
    rule = f"grant it: `kubectl -n {facts.namespace} create role pods --verb=create --resource=pods`, and bind it"
    for reason, concerned in silent.items():
        evidence = f"{reason}, so what admission says to {some(concerned)} is not known"
        yield _note("serving.preflight", evidence, rule if reason == MAY_NOT else "")


def _note(path: str, evidence: str, remedy: str) -> Finding:
    return note(CHECK, path, evidence, NOT_KNOWN, remedy)
