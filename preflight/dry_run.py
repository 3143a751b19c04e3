"""Dry runs: the API server is asked for the stack's objects, and for a pod of each Deployment, and keeps nothing.

Admission plugins, policies and webhooks answer as they would answer `pulumi up`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from preflight.answers import Object, Question
from preflight.checks.owners import is_own, question
from preflight.declared import Declared
from preflight.facts import Facts
from preflight.owners import PLUGIN, Found

QUERY = f"?dryRun=All&fieldManager={PLUGIN}&timeout=8s"
"""The server itself ends a dry run, such as one with a slow webhook, before this client loses its patience."""

REPLICA_SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "00000000-0000-0000-0000-000000000000"}
"""Owner of a pod that is asked for: policies refuse pods without one. The server does not look for it."""


@dataclass(frozen=True)
class Trial:
    """A dry run of an object, or of a pod of a Deployment."""

    declared: Declared
    sent: Object
    question: Question

    @property
    def pod(self) -> bool:
        return bool(self.sent["kind"] == "Pod")

    def __str__(self) -> str:
        return f"a pod of {self.declared}" if self.pod else str(self.declared)


def trials(facts: Facts) -> Iterator[Trial]:
    """What can be asked: what the stack makes or changes, and the pods of its Deployments.

    Another check reports objects of others under the stack's names. In an absent namespace nothing can be asked.
    """
    for each in facts.objects:
        if each.namespace == facts.namespace and not asked_within(facts):
            continue
        answer, document = facts.asked(question(each)), without_secrets(each.document)
        if answer.absent:
            yield Trial(each, document, Question(f"{each.collection}{QUERY}", json.dumps(document)))
        elif answer.ok and _applied(facts, Found(each, answer.body), document):
            # With force: a field of another manager is another check's finding.
            yield Trial(each, document, Question(f"{each.path}{QUERY}&force=true", json.dumps(document), apply=True))
        if each.kind == "Deployment":
            pod = _pod(facts, each)
            yield Trial(each, pod, Question(f"/api/v1/namespaces/{each.namespace}/pods{QUERY}", json.dumps(pod)))


def _applied(facts: Facts, found: Found, document: Object) -> bool:
    """Whether `up` sends an object that exists: the stack has it or takes it over, and says something new of it."""
    own = facts.plan.adopt or is_own(facts, found)
    return own and facts.state.inputs.get(found.declared.key) != document


def afresh(trial: Trial) -> Question:
    """The same object as a new one under a generated name.

    An apply is merged with what the plugin wrote when it created the object. The plugin takes that over before it
    applies (pulumi-kubernetes 4.32), and a dry run cannot: the API server may refuse the mixture of old and new fields.
    """
    metadata = {key: value for key, value in trial.sent["metadata"].items() if key != "name"}
    document = {**trial.sent, "metadata": {**metadata, "generateName": f"{trial.declared.name}-preflight-"}}
    return Question(f"{trial.declared.collection}{QUERY}", json.dumps(document))


def asked_within(facts: Facts) -> bool:
    """Whether objects in the stack's namespace can be asked for."""
    answer = facts.get(f"/api/v1/namespaces/{facts.namespace}")
    return not answer.absent and not (answer.ok and answer.body["metadata"].get("deletionTimestamp"))


def without_secrets(value: Any) -> Any:
    """A document without what is known at deployment only: the values of Secrets."""
    if isinstance(value, Mapping):
        return {key: without_secrets(each) for key, each in value.items() if not isinstance(each, pulumi.Output)}
    return [without_secrets(each) for each in value] if isinstance(value, list) else value


def _pod(facts: Facts, deployment: Declared) -> dict[str, Any]:
    """A pod as the Deployment's ReplicaSet makes it."""
    template = without_secrets(deployment.document["spec"]["template"])
    owner = {**REPLICA_SET, "name": f"{deployment.name}-preflight", "controller": True}
    metadata = {
        **template["metadata"],
        "generateName": f"{deployment.name}-preflight-",
        "namespace": deployment.namespace,
        "ownerReferences": [owner],
    }
    spec = template["spec"]
    account = Declared("v1", "ServiceAccount", str(spec.get("serviceAccountName")), deployment.namespace)
    if account in facts.objects and facts.asked(question(account)).absent:  # `up` makes it; a pod of it is refused now
        spec = {key: value for key, value in spec.items() if key != "serviceAccountName"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
