"""Claims that only one node can mount."""

from collections.abc import Collection

from preflight.finding import Finding, Severity

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
