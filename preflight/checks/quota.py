"""ResourceQuotas of the namespace admit all pods at once; what they say to a single pod is asked in dry runs."""

from collections.abc import Iterable, Iterator

from components.config.fields import HUGE_PAGES
from preflight.answers import Object, Question
from preflight.checks.owners import question
from preflight.facts import Facts
from preflight.finding import Finding, error
from preflight.pods import UNFINISHED, limited, replaced_by, requested, slim, wanted
from preflight.quantity import Amounts, amounts, spoken, total

REFUSED = "the API server would refuse what is beyond it: the stack would stay incomplete"


def asks(facts: Facts) -> list[Question]:
    """The quotas, empty where the namespace does not exist, and the namespace's pods."""
    return [_quotas(facts), pods(facts)]


def pods(facts: Facts) -> Question:
    """Pods of the namespace that count in its quotas, on a node or not."""
    path = f"/api/v1/namespaces/{facts.namespace}/pods?limit=500&fieldSelector={UNFINISHED}"
    return Question(path, kept=slim)


def check(facts: Facts) -> Iterator[Finding]:
    """What the plan needs beyond a quota: all replicas together, the stack's running pods counted as free.

    A quota with scopes counts some pods only: a dry run asks for one of each kind.
    """
    for each in _unscoped(facts):
        yield from _quota(facts, each)


def exhausted(facts: Facts) -> set[str]:
    """Names of the quotas about which this check has findings."""
    return {each["metadata"]["name"] for each in _unscoped(facts) if any(_quota(facts, each))}


def running(facts: Facts) -> list[Object]:
    """The pods that `up` replaces."""
    return [each for each in facts.asked(pods(facts)).items if replaced_by(each, facts.plan)]


def counted_for(running: Iterable[Object]) -> Amounts:
    """What running pods take of quotas."""
    return total(*(counted(requested(each), limited(each)) for each in running))


def _quota(facts: Facts, quota: Object) -> Iterator[Finding]:
    status = quota.get("status") or {}
    hard = amounts(status.get("hard") or quota["spec"].get("hard"))
    used = amounts(status.get("used"))
    name = quota["metadata"]["name"]
    free_again = counted_for(running(facts))
    needed = total(*(counted(pod.requests, pod.limits) for pod in wanted(facts.plan)), _new(facts))
    for resource, most in hard.items():
        free = most - used.get(resource, 0) + free_again.get(resource, 0)
        if resource in needed and needed[resource] > free:
            yield error(
                "quota",
                "serving.namespace",
                f"ResourceQuota {name} in namespace {facts.namespace} leaves {spoken(resource, max(free, 0))} of "
                f"{spoken(resource, most)} {resource}; the plan needs {spoken(resource, needed[resource])}",
                REFUSED,
                "have the quota raised, use another namespace, or set fewer replicas or resources",
            )


def counted(requests: Amounts, limits: Amounts) -> Amounts:
    """Requests and limits under the names that quotas have for them."""
    counted = {f"requests.{name}": amount for name, amount in requests.items() if name != "pods"}
    counted |= {f"limits.{name}": amount for name, amount in limits.items()}
    plain = {
        name: amount
        for name, amount in requests.items()
        if name in ("cpu", "memory", "pods") or name.startswith(HUGE_PAGES)
    }
    return {**counted, **plain, "count/pods": requests["pods"]}


def _new(facts: Facts) -> Amounts:
    """Objects that are not there yet, under the names that quotas have for them."""
    found: Amounts = {}
    for each in facts.objects:
        if each.namespace == facts.namespace and facts.asked(question(each)).absent:
            kind = f"{each.plural}.{each.group}" if each.group else each.plural
            found = total(found, dict.fromkeys((f"count/{kind}", kind), 1000))
    return found


def _unscoped(facts: Facts) -> list[Object]:
    found = [(each, each.get("spec") or {}) for each in facts.asked(_quotas(facts)).items]
    return [each for each, spec in found if not spec.get("scopes") and not spec.get("scopeSelector")]


def _quotas(facts: Facts) -> Question:
    return Question(f"/api/v1/namespaces/{facts.namespace}/resourcequotas")
