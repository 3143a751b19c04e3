"""Registers Kubernetes objects: what all objects of this program have in common."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.manifests import Manifest


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


class _Declared(pulumi.CustomResource):
    """The object of a manifest, under the type token that the SDK's own class has."""

    status: pulumi.Output[Any]

    def __init__(self, name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> None:
        version = manifest.api_version if "/" in manifest.api_version else f"core/{manifest.api_version}"
        super().__init__(f"kubernetes:{version}:{manifest.kind}", name, {**manifest.document, "status": None}, opts)


def declare(
    name: str, manifests: Sequence[Manifest], opts: pulumi.ResourceOptions
) -> Iterator[tuple[Manifest, _Declared]]:
    """Register the objects of a component called `name`; yields each manifest with its resource."""
    made: dict[str, _Declared] = {}
    for each in manifests:
        own = pulumi.ResourceOptions(depends_on=[made[each.after]] if each.after else None)
        if each.minutes:
            own.custom_timeouts = pulumi.CustomTimeouts(create=f"{each.minutes}m", update=f"{each.minutes}m")
        if each.formerly:
            own.aliases = [pulumi.Alias(name=f"{name}-{each.formerly}")]
        if each.replaced_on:
            own.replace_on_changes, own.delete_before_replace = [each.replaced_on], True
        if each.kind == "Secret":  # what a controller writes into it stays encrypted in the state
            own.additional_secret_outputs = ["data", "stringData"]
        made[each.resource] = _Declared(f"{name}-{each.resource}", each, pulumi.ResourceOptions.merge(opts, own))
        yield each, made[each.resource]
