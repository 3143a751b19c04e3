"""Floor 4: what every Kubernetes object of this program has in common."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s


def metadata(
    name: str, namespace: str | None, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None
) -> k8s.meta.v1.ObjectMetaArgs:
    """Metadata with an explicit name; `namespace` is None for cluster-scoped objects."""
    return k8s.meta.v1.ObjectMetaArgs(
        name=name, namespace=namespace, labels=dict(labels), annotations=dict(annotations) if annotations else None
    )


class CustomObject(pulumi.CustomResource):
    """An object of a custom kind, its status among the outputs (the SDK's own class for them leaves it out)."""

    status: pulumi.Output[Any]

    def __init__(
        self,
        name: str,
        *,
        api_version: str,
        kind: str,
        meta: k8s.meta.v1.ObjectMetaArgs,
        spec: Mapping[str, Any],
        opts: pulumi.ResourceOptions,
    ) -> None:
        body = {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": dict(spec), "status": None}
        super().__init__(f"kubernetes:{api_version}:{kind}", name, body, opts)
