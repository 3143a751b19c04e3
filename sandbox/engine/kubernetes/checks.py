"""Check: what a resource's inputs become before anything is compared or sent."""

import random
import secrets
from typing import Any

from sandbox.engine.kubernetes import annotations
from sandbox.engine.kubernetes.api import ApiError, Cluster, ClusterUnreachable
from sandbox.engine.kubernetes.values import UNKNOWN

CLUSTER_SCOPED = {
    "": {"Namespace", "Node", "PersistentVolume"},
    "rbac.authorization.k8s.io": {"ClusterRole", "ClusterRoleBinding"},
    "apiextensions.k8s.io": {"CustomResourceDefinition"},
    "storage.k8s.io": {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"},
    "scheduling.k8s.io": {"PriorityClass"},
}
"""Built-in kinds without a namespace: known without asking, because most previews need no API server."""

Failure = tuple[str, str]
"""The property and what is wrong with it."""


def type_of(urn: str) -> tuple[str, str, str]:
    """The (type token, apiVersion, kind) that a URN names."""
    token = urn.split("::")[2].rpartition("$")[2]
    _, module, kind = token.split(":")
    return token, module.removeprefix("core/"), kind


def unsupported(urn: str) -> str:
    """Why the stand-in can't manage this type; empty when it can."""
    token, api_version, kind = type_of(urn)
    if "helm.sh" in api_version or api_version.startswith(("yaml", "kustomize")):
        return f"{token} needs the official plugin"
    if kind.endswith("Patch") or (kind.endswith("List") and "." not in api_version):
        return f"{token}: the sandbox manages whole objects, one resource each; use {kind.removesuffix('Patch')}"
    return ""


def check(
    urn: str, olds: dict[str, Any], news: dict[str, Any], *, seed: bytes, cluster: Cluster, namespace: str
) -> tuple[dict[str, Any], list[Failure]]:
    """Complete plain inputs with a generated name and the default namespace; tell what can never work."""
    reason = unsupported(urn)
    if reason:
        return news, [("", reason)]
    inputs = {**news}
    if inputs.get("metadata") is UNKNOWN:
        return inputs, []
    metadata = inputs["metadata"] = {**(inputs.get("metadata") or {})}
    inputs.setdefault("apiVersion", type_of(urn)[1])
    inputs.setdefault("kind", type_of(urn)[2])
    failures = [(f'metadata.annotations["{name}"]', why) for name, why in annotations.problems(inputs)]
    if "generateName" in metadata:
        failures.append(("metadata.generateName", "not supported with server-side apply; leave the name out instead"))
    elif "name" not in metadata:
        _name(metadata, olds.get("metadata") or {}, urn, seed)
    if "namespace" not in metadata and _is_namespaced(inputs, cluster):
        metadata["namespace"] = namespace or cluster.namespace()
    return inputs, failures


def _name(metadata: dict[str, Any], old: dict[str, Any], urn: str, seed: bytes) -> None:
    """Keep the generated name of an existing object, or make one."""
    old_annotations = old.get("annotations") or {}
    if old_annotations.get(annotations.AUTONAMED) == "true":
        metadata["name"] = old["name"]
    else:
        digits = random.Random(seed).getrandbits(32) if seed else secrets.randbits(32)
        metadata["name"] = f"{urn.rpartition('::')[2]}-{digits:08x}"
    if metadata.get("annotations") is not UNKNOWN:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), annotations.AUTONAMED: "true"}


def _is_namespaced(inputs: dict[str, Any], cluster: Cluster) -> bool:
    api_version, kind = inputs["apiVersion"], inputs["kind"]
    group = api_version.rpartition("/")[0]
    if kind in CLUSTER_SCOPED.get(group, ()):
        return False
    if group in CLUSTER_SCOPED or "." not in group:
        return True
    try:
        return cluster.kind(api_version, kind).namespaced
    except (ApiError, ClusterUnreachable):
        return True  # a CRD that isn't there yet: most kinds are, and the API server has the last word
