"""Claims that only one node can mount."""

from collections.abc import Collection

from preflight.finding import Finding, Severity

SHARED = frozenset({"ReadWriteMany", "ReadOnlyMany"})
"""Access modes of a volume that several nodes mount."""


def one_node(check: str, path: str, name: str, modes: Collection[str], workers: str) -> Finding | None:
    """Warning about a claim with these access modes that `workers` ("all workers") mount; None: nodes share it."""
    if SHARED & set(modes):
        return None
    return Finding(
        check,
        Severity.WARNING,
        path,
        f"PersistentVolumeClaim {name} can be mounted {', '.join(modes)} only",
        "workers on a second node would wait for the volume without end",
        f"use a claim with ReadWriteMany or ReadOnlyMany, unless {workers} share a node",
    )
