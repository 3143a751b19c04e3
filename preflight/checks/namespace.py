"""The namespace exists unless the stack makes it, and it is not being deleted."""

from collections.abc import Iterator

from components.config.vocabulary import Capability, PodSecurity
from components.names import INSTANCE, PART_OF
from components.plan.pod_rights import LABEL, of_worker
from components.plan.pod_security import ORDER, admitted_by, refused_by, violations
from preflight.answers import Question
from preflight.facts import Facts
from preflight.finding import Finding, error, warning

CHECK = "namespace"
_WITHOUT_LOCK = (
    "`pulumi config set --path serving.security.lockedMemory node`, where the nodes let containers lock memory"
)


def asks(facts: Facts) -> list[Question]:
    """The namespace."""
    return [Question(f"/api/v1/namespaces/{facts.namespace}")]


def check(facts: Facts) -> Iterator[Finding]:
    """Its existence, its phase, and a label of the stack that would be stricter than its level of Pod Security."""
    name, create = facts.namespace, facts.plan.namespace.create
    answer = facts.get(f"/api/v1/namespaces/{name}")
    if answer.absent and not create:
        yield error(
            CHECK,
            "serving.namespace",
            f"the namespace {name} does not exist, and serving.createNamespace is false",
            "`pulumi up` would fail at every object",
            f"`kubectl create namespace {name}`, or `pulumi config set --path serving.createNamespace true`",
        )
    if not answer.ok:
        return
    if answer.body["metadata"].get("deletionTimestamp"):
        yield error(
            CHECK,
            "serving.namespace",
            f"the namespace {name} is being deleted",
            "nothing can be made in it, and what is there goes",
            f"wait until it is gone: `kubectl wait --for=delete namespace/{name} --timeout=10m`",
        )
    now, after = (answer.body["metadata"].get("labels") or {}).get(LABEL), facts.plan.namespace.pod_security
    if create and after and now in (None, *ORDER):
        yield from _stricter(facts, PodSecurity(now) if now else None, after)


def ways_out(facts: Facts, level: PodSecurity) -> str:
    """What to do where the namespace's level, or the cluster's default one, does not admit the pods."""
    answer = facts.get(f"/api/v1/namespaces/{facts.namespace}")
    labels = (answer.body.get("metadata") or {}).get("labels") or {} if answer.ok else {}
    workers = facts.plan.prefill.worker, facts.plan.decode.worker
    needed = admitted_by(each for worker in workers for each in of_worker(worker))
    ways = [f"`kubectl label --overwrite namespace {facts.namespace} {LABEL}={needed}`, or choose another namespace"]
    owner = labels.get(INSTANCE)
    if PART_OF.items() <= labels.items() and owner not in (None, facts.plan.namespace.labels[INSTANCE]):
        ways = [
            f"in the stack with serving.postfix: {owner}, which makes this namespace and its label, "
            f"`pulumi config set --path serving.security.podSecurity {needed}` and `pulumi up`; or choose another "
            "namespace"
        ]
    if level is PodSecurity.RESTRICTED and needed is PodSecurity.BASELINE and all(each.user != 0 for each in workers):
        ways.insert(
            0,
            "`pulumi config set --path serving.security.podSecurity restricted`, which gives vLLM what this "
            "level demands",
        )
    if any(each.capabilities == [Capability.IPC_LOCK] for each in workers):
        ways.append(_WITHOUT_LOCK)
    return "; or ".join(ways)


def _stricter(facts: Facts, now: PodSecurity | None, after: PodSecurity) -> Iterator[Finding]:
    """A label that admits less than the namespace does today, and the pods that it would refuse."""
    if ORDER.index(after) <= ORDER.index(now or PodSecurity.PRIVILEGED):
        return
    own = {**PART_OF, INSTANCE: facts.plan.namespace.labels[INSTANCE]}
    pods = facts.get(f"/api/v1/namespaces/{facts.namespace}/pods")
    others = [each for each in pods.items if not own.items() <= (each["metadata"].get("labels") or {}).items()]
    found = {each["metadata"]["name"]: refused_by(after, violations(each["spec"])) for each in others}
    refused = [f"{name} ({', '.join(sorted({one.what for one in all_}))})" for name, all_ in found.items() if all_]
    concerned = f"; it would not admit {', '.join(refused)}" if refused else ""
    yield warning(
        "Pod Security",
        "serving.security.podSecurity",
        f"the namespace {facts.namespace} enforces {f'the level {now}' if now else 'no level of its own'}, and "
        f"`pulumi up` labels it {after}{concerned}",
        "pods that run stay; the API server refuses the next ones that need more than this level",
        f"`pulumi config set --path serving.security.podSecurity {now or 'null'}`, or a namespace of their own for the "
        "pods that need more",
    )
