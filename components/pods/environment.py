"""Environment variables with values that the cluster knows."""

from components.manifests import Fields, given
from components.plan.worker_args import ReferenceArgs


def variable_of_pod(name: str, path: str) -> Fields:
    """A variable with the value of the pod's field at `path`."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def variable_of_reference(name: str, value: ReferenceArgs) -> Fields:
    """A variable with the value of a key of a Secret or ConfigMap."""
    kind = "secretKeyRef" if value.secret else "configMapKeyRef"
    selector = {
        "name": value.secret or value.config_map,
        "key": value.key,
        "optional": True if value.optional else None,
    }
    return {"name": name, "valueFrom": {kind: given(selector)}}
