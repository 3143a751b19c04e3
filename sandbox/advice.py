"""What to change when a pod can't run: what Kubernetes says, and the setting that decides it."""

import re

ROLE = "{role}"
"""Stands for the tier's key in `serving`: prefill or decode."""

_REMEDIES: tuple[tuple[str, str], ...] = (
    (r"no nodes available", "`make up` makes the simulated nodes: of serving.accelerator, or of CLUSTER=…"),
    (
        r"Insufficient \w+\.com/gpu",
        "serving.{role}.replicas or serving.{role}.tensorParallel (fewer GPUs), more nodes: make up NODES=…, or other "
        "nodes: make up CLUSTER=…",
    ),
    (
        r"free ports",
        "serving.hostNetwork: with it each worker needs a node to itself, so two nodes: make up NODES=2; otherwise "
        "serving.{role}.replicas",
    ),
    (
        r"anti-affinity",
        "serving.hostNetwork: its prefill and decode workers never share a node, so two nodes: make up NODES=2",
    ),
    (r"node affinity|node selector|node\(s\) didn't match", "serving.{role}.nodeSelector and serving.{role}.affinity"),
    (r"taint", "serving.{role}.tolerations"),
    (r"Insufficient cpu", "serving.{role}.cpu"),
    (r"Insufficient memory", "serving.{role}.memory and serving.{role}.shmSize"),
    (r"Insufficient ephemeral-storage", "serving.model.storage"),
    (
        r"Insufficient (?!\w+\.com/gpu)[\w.-]+/",
        "serving.rdma.resource and serving.rdma.count, or the tier's own; nodes with other devices: make up CLUSTER=…",
    ),
    (r"persistentvolumeclaim|PersistentVolumeClaim", "serving.model.claim: the claim must exist in the namespace"),
    (
        r"PodSecurity",
        "serving.hostNetwork and serving.createNamespace: a namespace of your own must allow privileged pods",
    ),
    (r"quota", "the namespace's ResourceQuota, or serving.{role}.replicas, .cpu and .memory"),
)


def setting_for(message: str, role: str | None) -> str:
    """Return the setting that would change what `message` complains about, for a pod of tier `role` if it has one."""
    tier = role or "<prefill|decode>"
    found = [remedy for pattern, remedy in _REMEDIES if re.search(pattern, message)]
    return "; ".join(found).replace(ROLE, tier) or "nothing in `serving` is known to change this"
