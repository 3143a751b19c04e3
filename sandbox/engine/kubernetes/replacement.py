"""Which changes mean a new object: the fields that the API server refuses to change, and an object's identity."""

from typing import Any

from sandbox.engine.kubernetes import paths

IDENTITY = ("apiVersion", "kind", "metadata.name", "metadata.namespace")

_SELECTOR = ("spec.selector",)

FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "ConfigMap"): ("data", "binaryData"),
    ("", "Secret"): ("type", "data", "stringData"),
    ("", "Service"): ("spec.clusterIP",),
    ("", "Pod"): ("spec",),
    ("", "PersistentVolumeClaim"): ("spec",),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("apps", "Deployment"): _SELECTOR,
    ("apps", "DaemonSet"): _SELECTOR,
    ("apps", "StatefulSet"): (
        *_SELECTOR,
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): (*_SELECTOR, "spec.completions", "spec.parallelism", "spec.template"),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
}
"""By (API group, kind), in every version."""

MUTABLE_DATA = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}
"""What a provider with `enableConfigMapMutable` or `enableSecretMutable` updates in place."""


def replacing_paths(obj: dict[str, Any], mutable_kinds: set[str]) -> list[paths.Path]:
    """Paths of the object at or below which a change replaces it."""
    group = obj["apiVersion"].rpartition("/")[0]
    kind = obj["kind"]
    fields = FIELDS.get((group, kind), ())
    if not group and kind in mutable_kinds:
        fields = tuple(field for field in fields if field not in MUTABLE_DATA[kind])
    return [paths.parse(field) for field in (*IDENTITY, *fields)]
