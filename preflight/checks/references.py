"""Secrets, ConfigMaps and claims that variables and volumes of the workers refer to."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from components.plan.worker_args import ResolvedTier
from preflight.answers import Question
from preflight.facts import Facts
from preflight.finding import Finding, Severity


class _Reference(NamedTuple):
    path: str
    kind: str
    name: str
    key: str
    """What must be in it; empty: nothing."""
    pods: int


def asks(facts: Facts) -> list[Question]:
    """One question per object."""
    return list(dict.fromkeys(_object(facts, each) for each in _references(facts)))


def check(facts: Facts) -> Iterator[Finding]:
    """Objects or keys that are absent, and claims of one node."""
    for each in _references(facts):
        answer = facts.asked(_object(facts, each))
        keys = {**(answer.body.get("data") or {}), **(answer.body.get("binaryData") or {})} if answer.ok else {}
        if not answer.absent and (not answer.ok or not each.key or each.key in keys):
            yield from _one_node(facts, each)
            continue
        # In a namespace that the `up` makes, it can only come afterwards: by hand, or from a controller.
        to_come = facts.plan.namespace.create and facts.get(f"/api/v1/namespaces/{facts.namespace}").absent
        lack = (
            f"has no key {each.key}; its keys: {', '.join(sorted(keys)) or 'none'}" if answer.ok else "does not exist"
        )
        where = f"the namespace {facts.namespace}, which this stack makes" if to_come else facts.namespace
        yield Finding(
            "references",
            Severity.WARNING if to_come else Severity.ERROR,
            each.path,
            f"{each.kind} {each.name} in {where} {lack}",
            "the pods would wait for it until the timeout",
            f"make it with the key {each.key}, correct the name, or set optional: true"
            if each.key
            else "make it, or correct the name",
        )


def _one_node(facts: Facts, claim: _Reference) -> Iterator[Finding]:
    answer = facts.asked(_object(facts, claim))
    modes = (answer.body.get("spec") or {}).get("accessModes") or []
    if answer.ok and modes:
        alone = one_node(
            "references", claim.path, claim.name, modes, workers="all workers of the tier", pods=claim.pods
        )
        if alone:
            yield alone


def _references(facts: Facts) -> Iterator[_Reference]:
    workers: tuple[ResolvedTier, ...] = (facts.plan.prefill.worker, facts.plan.decode.worker)
    for worker in workers:
        for variable, value in worker.references.items():
            if not value.optional:
                kind, name = ("Secret", value.secret) if value.secret else ("ConfigMap", value.config_map)
                yield _Reference(f"serving.{worker.role}.env.{variable}", kind, name or "", value.key, worker.replicas)
        for index, volume in enumerate(worker.volumes):
            path = f"serving.{worker.role}.volumes[{index}]"
            for field, kind, name in (
                ("claim", "PersistentVolumeClaim", volume.claim),
                ("configMap", "ConfigMap", volume.config_map),
                ("secret", "Secret", volume.secret),
            ):
                if name:
                    yield _Reference(f"{path}.{field}", kind, name, "", worker.replicas)


def _object(facts: Facts, reference: _Reference) -> Question:
    """Fetches the whole object only to read the names of its keys."""
    path = f"/api/v1/namespaces/{facts.namespace}/{reference.kind.lower()}s/{reference.name}"
    return Question(path, metadata_only=not reference.key and reference.kind != "PersistentVolumeClaim")


SHARED = frozenset({"ReadWriteMany", "ReadOnlyMany"})
"""Access modes of a volume that several nodes mount."""


def one_node(check: str, path: str, name: str, modes: Collection[str], *, workers: str, pods: int) -> Finding | None:
    """Finding about a claim with these access modes that `pods` pods ("all workers") mount; None: nodes share it."""
    if SHARED & set(modes) or (set(modes) == {"ReadWriteOncePod"} and pods == 1):
        return None
    alone = set(modes) == {"ReadWriteOncePod"}
    unless = "" if alone else f", unless {workers} share a node"
    return Finding(
        check,
        Severity.ERROR if alone else Severity.WARNING,
        path,
        f"PersistentVolumeClaim {name} can be mounted {', '.join(modes)} only, and {workers} mount it",
        "all but one of them would wait for the volume without end"
        if alone
        else "workers on a second node would wait for the volume without end",
        f"use a claim with ReadWriteMany or ReadOnlyMany{unless}",
    )
