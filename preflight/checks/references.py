"""Secrets and ConfigMaps that variables of the workers take values from."""

from collections.abc import Iterator
from typing import NamedTuple

from components.plan.worker_args import ResolvedTier
from preflight.answers import Question
from preflight.facts import Facts
from preflight.finding import Finding, Severity


class _Reference(NamedTuple):
    path: str
    kind: str
    """Secret or ConfigMap."""
    name: str
    key: str


def asks(facts: Facts) -> list[Question]:
    """Each of them by name."""
    return list(dict.fromkeys(_object(facts, each) for each in _references(facts)))


def check(facts: Facts) -> Iterator[Finding]:
    """Objects or keys that are absent."""
    for each in _references(facts):
        answer = facts.asked(_object(facts, each))
        keys = {**(answer.body.get("data") or {}), **(answer.body.get("binaryData") or {})} if answer.ok else {}
        if not answer.absent and (not answer.ok or each.key in keys):
            continue
        # In a namespace that the `up` makes, it can only come afterwards: by hand, or from a controller.
        to_come = facts.plan.namespace.create and facts.get(f"/api/v1/namespaces/{facts.namespace}").absent
        lack = (
            f"has no key {each.key}; its keys: {', '.join(sorted(keys)) or 'none'}" if answer.ok else "does not exist"
        )
        where = f"the namespace {facts.namespace}, which this stack makes" if to_come else facts.namespace
        yield Finding(
            "variables",
            Severity.WARNING if to_come else Severity.ERROR,
            each.path,
            f"{each.kind} {each.name} in {where} {lack}",
            "the pods would wait for it: CreateContainerConfigError until the timeout",
            f"make it with the key {each.key}, correct the name, or set optional: true",
        )


def _references(facts: Facts) -> Iterator[_Reference]:
    workers: tuple[ResolvedTier, ...] = (facts.plan.prefill.worker, facts.plan.decode.worker)
    for worker in workers:
        for variable, value in worker.references.items():
            if not value.optional:
                kind, name = ("Secret", value.secret) if value.secret else ("ConfigMap", value.config_map)
                yield _Reference(f"serving.{worker.role}.env.{variable}", kind, name or "", value.key)


def _object(facts: Facts, reference: _Reference) -> Question:
    """The whole object, for its keys; no value of it is looked at."""
    return Question(f"/api/v1/namespaces/{facts.namespace}/{reference.kind.lower()}s/{reference.name}")
