"""The namespace: there if it must be, not on its way out, and admitting the pods that the plan makes."""

from collections.abc import Iterator

from components.config.vocabulary import Capability
from components.plan.pod_security import beyond_baseline
from preflight.answers import Object, Question
from preflight.facts import Facts
from preflight.finding import Finding, Severity

LEVEL = "pod-security.kubernetes.io/enforce"
CHECK = "namespace"
_WITHOUT_LOCK = (
    "; or `pulumi config set --path serving.security.lockedMemory node`, where the nodes let containers lock memory"
)


def asks(facts: Facts) -> list[Question]:
    """The namespace."""
    return [Question(f"/api/v1/namespaces/{facts.namespace}")]


def check(facts: Facts) -> Iterator[Finding]:
    """Its existence, its phase and its Pod Security level."""
    name, create = facts.namespace, facts.plan.namespace.create
    answer = facts.get(f"/api/v1/namespaces/{name}")
    if answer.absent and not create:
        yield Finding(
            CHECK,
            Severity.ERROR,
            "serving.namespace",
            f"the namespace {name} does not exist, and serving.createNamespace is false",
            "`pulumi up` would fail at every object",
            f"`kubectl create namespace {name}`, or `pulumi config set --path serving.createNamespace true`",
        )
    if not answer.ok:
        return
    if answer.body["metadata"].get("deletionTimestamp"):
        yield Finding(
            CHECK,
            Severity.ERROR,
            "serving.namespace",
            f"the namespace {name} is being deleted",
            "nothing can be made in it, and what is there goes",
            f"wait until it is gone: `kubectl wait --for=delete namespace/{name} --timeout=10m`",
        )
    yield from _security(facts, answer.body)


def _security(facts: Facts, namespace: Object) -> Iterator[Finding]:
    plan = facts.plan
    level = (namespace["metadata"].get("labels") or {}).get(LEVEL, "privileged")
    if level == "privileged" or (plan.namespace.create and plan.namespace.privileged):
        return  # a namespace of ours is given the label
    workers = plan.prefill.worker, plan.decode.worker
    wanted = beyond_baseline(*workers)
    if level == "restricted":
        wanted.append("containers that do not promise to run without root")
    if wanted:
        yield Finding(
            "Pod Security",
            Severity.ERROR,
            "serving.hostNetwork" if plan.decode.worker.host_network else "serving.namespace",
            f"the namespace {facts.namespace} enforces the level {level}; the workers have {', '.join(wanted)}",
            "the API server would refuse every one of these pods: the Deployments would stay without any",
            f"`kubectl label --overwrite namespace {facts.namespace} {LEVEL}="
            f"{'privileged' if wanted[:-1] or level == 'baseline' else 'baseline'}`, or choose another namespace"
            + (_WITHOUT_LOCK if any(each.capabilities == [Capability.IPC_LOCK] for each in workers) else ""),
        )
