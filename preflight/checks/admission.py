"""Admission: what policies, webhooks, Pod Security, quotas and LimitRanges say to the stack's objects and pods."""

import re
from collections.abc import Iterator, Sequence

from components.config.vocabulary import PodSecurity
from preflight import refusals
from preflight.answers import Question
from preflight.checks import namespace, quota
from preflight.dry_run import Trial, asked_within, trials
from preflight.facts import Facts
from preflight.finding import Finding, Severity, some
from preflight.pods import made_by
from preflight.quantity import Amounts, thousandths
from preflight.refusals import Refusal

CHECK = "admission"
OTHER = Refusal("API server", "", remedy="correct {setting}")
BUSY = (0, 408, 429, 503, 504)  # 0: no answer in time
NOT_KNOWN = "`pulumi up` may be refused half-way"


def asks(facts: Facts) -> list[Question]:
    """Nothing: what is asked in dry runs follows from what exists."""
    return []


def check(facts: Facts) -> Iterator[Finding]:
    """Each refusal once, with the objects that it concerns; then what could not be asked."""
    asked = list(trials(facts))
    facts.collect([each.question for each in asked])
    refused: dict[tuple[str, str], list[tuple[Trial, Refusal]]] = {}
    for each in asked:
        found = _refusal(facts, each)
        if found:
            refusal, match = found
            named = match.groupdict()
            key = named.get("name") or named.get("level") or refusals.words(_why(facts, each))
            refused.setdefault((refusal.check, key), []).append((each, refusal))
    yield from (_finding(facts, [each for each, _ in several], several[0][1]) for several in refused.values())
    yield from _not_asked(facts, asked)


def _refusal(facts: Facts, trial: Trial) -> tuple[Refusal, re.Match[str]] | None:
    """What refuses an object; None: nothing, or another check reports it."""
    answer, why = facts.asked(trial.question), _why(facts, trial)
    elsewhere = (*refusals.ELSEWHERE, refusals.NO_DRY_RUN, refusals.NOT_PERMITTED)
    if answer.ok or answer.code in (401, 404, 409, *BUSY) or any(re.search(each, why) for each in elsewhere):
        return None
    refusal = next((each for each in refusals.KNOWN if re.search(each.pattern, why)), OTHER)
    match = re.search(refusal.pattern, why)
    if refusal.pattern == refusals.EXCEEDED and not _beyond(facts, trial, match):
        return None
    if refusal.pattern == refusals.SECURITY and facts.plan.namespace.create and facts.plan.namespace.pod_security:
        return None  # `up` changes the level
    return (refusal, match) if match else None


def _beyond(facts: Facts, trial: Trial, match: re.Match[str] | None) -> bool:
    """Whether a quota refuses also when the running pods of the same Deployment, which `up` replaces, are gone."""
    if match is None or match["name"] in quota.exhausted(facts):
        return False  # all replicas together are that check's
    pods = [each for each in facts.asked(quota.pods(facts)).items if trial.pod and _replaced(facts, trial, each)]
    free = quota.counted_for(pods)
    used, most = _listed(match["used"]), _listed(match["most"])
    return any(
        used.get(name, 0) - free.get(name, 0) + amount > most.get(name, 0)
        for name, amount in _listed(match["asked"]).items()
    )


def _replaced(facts: Facts, trial: Trial, pod: dict[str, object]) -> bool:
    return trial.declared.name in made_by(pod) and pod["metadata"].get("namespace") == facts.namespace  # type: ignore[attr-defined]  # JSON


def _listed(text: str) -> Amounts:
    """Amounts in a quota's words: `cpu=1,memory=2Gi`."""
    pairs = (each.partition("=") for each in text.split(","))
    return {name: thousandths(amount) for name, _, amount in pairs}


def _finding(facts: Facts, concerned: Sequence[Trial], refusal: Refusal) -> Finding:
    why = _why(facts, concerned[0])
    paths = dict.fromkeys(refusal.setting or _setting(facts, each) for each in concerned)
    match = re.search(refusal.pattern, why)
    if refusal.pattern == refusals.SECURITY and match:
        on_host = facts.plan.decode.worker.host_network
        paths = {"serving.hostNetwork" if on_host else "serving.namespace": None}
        remedy = namespace.ways_out(facts, PodSecurity(match["level"]))
    else:
        remedy = refusal.remedy.format(
            setting=" and ".join(paths),
            namespace=facts.namespace,
            account=facts.plan.namespace.service_account,
            **(match.groupdict() if match else {}),
        )
    said = dict.fromkeys(refusals.words(_why(facts, each)) for each in concerned)
    return Finding(
        refusal.check,
        Severity.ERROR,
        max(paths, key=lambda path: path.count(".")),  # the one that says most
        f"the API server refuses {some(concerned)}:\n" + "\n".join(said),
        "`pulumi up` would be refused it half-way"
        if not all(each.pod for each in concerned)
        else "the Deployments would stay without pods, and `pulumi up` fail at its timeout",
        remedy,
    )


def _setting(facts: Facts, trial: Trial) -> str:
    """The setting that a refusal is about; of CPU and memory, the limit where that is what is refused."""
    why = _why(facts, trial)
    found = refusals.setting(trial.declared.part, why)
    tier = {"prefill": facts.plan.prefill.worker, "decode": facts.plan.decode.worker}.get(trial.declared.part)
    resource = found.rpartition(".")[2]
    differs = tier and resource in ("cpu", "memory") and tier.limits.get(resource) != tier.resources.get(resource)
    return f"{found}Limit" if differs and "limit is" in why else found


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
        why = _why(facts, each)
        answer = facts.asked(each.question)
        if answer.ok:
            continue
        if match := re.search(refusals.NO_DRY_RUN, why):
            silent.setdefault(f"the webhook {match['name']} does not support dry run", []).append(each)
        elif answer.code in BUSY:
            silent.setdefault(f"the API server does not answer in time ({why})", []).append(each)
        elif each.pod and re.search(refusals.NOT_PERMITTED, why):
            silent.setdefault("this user may not create pods", []).append(each)
    for reason, concerned in silent.items():
        rule = f"grant it: `kubectl -n {facts.namespace} create role pods --verb=create --resource=pods`, and bind it"
        yield _note(
            "serving.preflight",
            f"{reason}, so what admission says to {some(concerned)} is not known",
            rule if reason.endswith("create pods") else "",
        )


def _note(path: str, evidence: str, remedy: str) -> Finding:
    return Finding(CHECK, Severity.NOTE, path, evidence, NOT_KNOWN, remedy)


def _why(facts: Facts, trial: Trial) -> str:
    return facts.asked(trial.question).why
