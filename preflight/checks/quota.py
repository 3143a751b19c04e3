"""ResourceQuotas and LimitRanges of the namespace admit every pod."""

from collections.abc import Iterator

from components.config.fields import HUGE_PAGES
from components.plan.worker_args import ResolvedTier
from components.plan.workers import DISK
from preflight.answers import Object, Question
from preflight.checks.capacity import PODS
from preflight.facts import Facts
from preflight.finding import Finding, Severity
from preflight.pods import limited, replaced_by, requested, wanted
from preflight.quantity import Amounts, amounts, spoken, total

REFUSED = "the API server would refuse pods beyond it: the Deployments would stay incomplete"


def asks(facts: Facts) -> list[Question]:
    """Both lists; empty where the namespace does not exist."""
    return [_listed(facts, "resourcequotas"), _listed(facts, "limitranges")]


def check(facts: Facts) -> Iterator[Finding]:
    """What the plan needs beyond a quota, what quotas want said, and what limits do not admit."""
    quotas, limits = (facts.asked(each) for each in asks(facts))
    ranges = [limit for one in limits.items for limit in one["spec"].get("limits") or []]
    for quota in quotas.items:
        spec = quota.get("spec") or {}
        if not spec.get("scopes") and not spec.get("scopeSelector"):
            yield from _quota(facts, quota, ranges)
    for limit in ranges:
        yield from _limit(facts, limit)


def _quota(facts: Facts, quota: Object, ranges: list[Object]) -> Iterator[Finding]:
    status = quota.get("status") or {}
    hard = amounts(status.get("hard") or quota["spec"].get("hard"))
    used = amounts(status.get("used"))
    name = quota["metadata"]["name"]
    running = total(*(_counted(requested(each), limited(each)) for each in _running(facts)))
    needed = total(*(_counted(pod.requests, pod.limits) for pod in wanted(facts.plan)))
    for resource, most in hard.items():
        free = most - used.get(resource, 0) + running.get(resource, 0)
        if resource in needed and needed[resource] > free:
            yield Finding(
                "quota",
                Severity.ERROR,
                "serving.namespace",
                f"ResourceQuota {name} in namespace {facts.namespace} leaves {spoken(resource, max(free, 0))} of "
                f"{spoken(resource, most)} {resource}; the plan needs {spoken(resource, needed[resource])}",
                REFUSED,
                "have the quota raised, use another namespace, or set fewer replicas or resources",
            )
    for kind in ("cpu", "memory"):
        for side in ("requests", "limits"):
            named = {f"{side}.{kind}", *([kind] if side == "requests" else [])} & hard.keys()
            if named and not _has_default(ranges, kind, side):
                yield from _must_say(facts, name, sorted(named)[0], kind, side)


def _must_say(facts: Facts, quota: str, resource: str, kind: str, side: str) -> Iterator[Finding]:
    """Where a quota counts something, a container that says nothing of it is refused."""
    plan = facts.plan
    said = plan.picker.limits if side == "limits" else {**plan.picker.limits, **plan.picker.requests}
    unlimited = side == "limits" and any(kind not in each.worker.limits for each in (plan.prefill, plan.decode))
    bare = [*([] if kind in said else ["epp"]), *(["vllm"] if unlimited else [])]
    if not bare:
        return
    yield Finding(
        "quota",
        Severity.ERROR,
        "serving.namespace",
        f"ResourceQuota {quota} counts {resource}, so every container must say its own, and no LimitRange has a "
        f"default; without one: {', '.join(bare)}",
        f"the API server would refuse their pods: must specify {resource}",
        f"have a LimitRange with a default {kind} for containers made in namespace {facts.namespace}",
    )


def _limit(facts: Facts, limit: Object) -> Iterator[Finding]:
    if limit["type"] not in ("Container", "Pod"):
        return
    most, least = amounts(limit.get("max")), amounts(limit.get("min"))
    for tier in (facts.plan.prefill.worker, facts.plan.decode.worker):
        limits = amounts(tier.limits)
        for name, request in amounts(tier.resources).items():
            top = limits.get(name, request)
            over, under = top > most.get(name, top), request < least.get(name, request)
            if over or under:
                bound = f"at most {spoken(name, most[name])}" if over else f"at least {spoken(name, least[name])}"
                yield Finding(
                    "limit range",
                    Severity.ERROR,
                    _setting(tier, name, limited=over and top != request),
                    f"a LimitRange in namespace {facts.namespace} allows {bound} {name} per {limit['type']}; "
                    f"a {tier.role} worker has {spoken(name, top if over else request)}",
                    "the API server would refuse the pods: the Deployment would stay without any",
                    "have the LimitRange changed, use another namespace, or set it within the bounds",
                )


def _setting(tier: ResolvedTier, resource: str, *, limited: bool) -> str:
    """The setting that decides a resource; `limited`: its limit, where that is not the request."""
    if resource == DISK:
        return "serving.model.storage"
    if resource in tier.further:
        return f"serving.{tier.role}.resources"
    plain = resource if resource in ("cpu", "memory") else "tensorParallel"
    return f"serving.{tier.role}.{plain}{'Limit' if limited else ''}"


def _counted(requests: Amounts, limits: Amounts) -> Amounts:
    """Requests and limits under the names that quotas have for them."""
    counted = {f"requests.{name}": amount for name, amount in requests.items() if name != "pods"}
    counted |= {f"limits.{name}": amount for name, amount in limits.items()}
    plain = {
        name: amount
        for name, amount in requests.items()
        if name in ("cpu", "memory", "pods") or name.startswith(HUGE_PAGES)
    }
    return {**counted, **plain, "count/pods": requests["pods"]}


def _running(facts: Facts) -> list[Object]:
    return [pod for pod in facts.asked(PODS).items if replaced_by(pod, facts.plan)]


def _has_default(ranges: list[Object], kind: str, side: str) -> bool:
    fields = ("defaultRequest", "default") if side == "requests" else ("default",)
    return any(kind in (each.get(name) or {}) for each in ranges if each["type"] == "Container" for name in fields)


def _listed(facts: Facts, kind: str) -> Question:
    return Question(f"/api/v1/namespaces/{facts.namespace}/{kind}")
