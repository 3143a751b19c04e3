"""Registers Kubernetes objects: what all objects of this program have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.manifests import Manifest
from components.names import suffix


class _Declared(pulumi.CustomResource):
    """The object of a manifest, under the type token that the SDK's own class has."""

    metadata: pulumi.Output[Any]
    spec: pulumi.Output[Any]
    status: pulumi.Output[Any]

    def __init__(self, name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> None:
        version = manifest.api_version if "/" in manifest.api_version else f"core/{manifest.api_version}"
        super().__init__(f"kubernetes:{version}:{manifest.kind}", name, {**manifest.document, "status": None}, opts)


def declare(
    name: str,
    manifests: Sequence[Manifest],
    opts: pulumi.ResourceOptions,
    special: Mapping[str, pulumi.ResourceOptions] | None = None,
) -> dict[str, _Declared]:
    """Register the objects of a component called `name`; their resources by `resource`.

    `special` has the options of single objects, by `resource`.
    """
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
        own = pulumi.ResourceOptions.merge(own, (special or {}).get(each.resource))
        resource = f"{name}-{each.resource}{suffix(each.generation or '')}"
        made[each.resource] = _Declared(resource, each, pulumi.ResourceOptions.merge(opts, own))
    return made
