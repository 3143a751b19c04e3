"""What of an object goes into the state and back to the program, and which of its fields the plugin owns."""

import base64
from typing import Any

from sandbox.cluster.api import Api, ApiError, Object
from sandbox.engine.kubernetes.values import UNKNOWN, marked, plain, secrets_in

MANAGER = "pulumi-kubernetes"
"""The field manager of the official plugin."""

ATTEMPTS = 5
"""How often a controller may write the object between our read and our write."""


def adopt_own_fields(api: Api, path: str, live: Object) -> None:
    """Turn what our create owns (operation Update) into what our apply owns.

    Without it the first update would conflict with our own create, and fields that the program drops would stay.
    """
    for attempt in range(ATTEMPTS):
        fields = _adopted(live["metadata"].get("managedFields") or [])
        if fields is None:
            return
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
            {"op": "replace", "path": "/metadata/managedFields", "value": fields},
        ]
        try:
            api.patch(path, patch, "application/json-patch+json", fieldManager=MANAGER)
            return
        except ApiError as error:
            if error.code not in (409, 422) or attempt == ATTEMPTS - 1:
                raise
            live = api.get(path)


def _adopted(entries: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The managed fields with our entries made one, or None when there is nothing to do."""
    ours = [entry for entry in entries if entry.get("manager") == MANAGER and not entry.get("subresource")]
    if all(entry["operation"] == "Apply" for entry in ours):
        return None
    merged: dict[str, Any] = {}
    for entry in ours:
        merged = _union(merged, entry["fieldsV1"])
    return [{**ours[-1], "operation": "Apply", "fieldsV1": merged}, *(entry for entry in entries if entry not in ours)]


def _union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**one, **{key: _union(one.get(key, {}), value) for key, value in other.items()}}


def conflicts_only_with_create(error: ApiError) -> bool:
    """Whether a refused apply collides with nothing but our own create."""
    causes = error.details.get("causes") or []
    return bool(causes) and all(f'"{MANAGER}" using' in cause.get("message", "") for cause in causes)


_SERVER_METADATA = ("uid", "resourceVersion", "generation", "creationTimestamp")
_ALLOCATED = ("clusterIP", "clusterIPs")
SHORTEST_SECRET = 4
"""Texts shorter than this are in every message by chance."""


def checkpoint(inputs: dict[str, Any], live: Object) -> dict[str, Any]:
    """The live object with the program's secrets marked, and what the official plugin keeps beside it."""
    kept = {
        "__inputs": marked(plain(inputs), inputs),
        "__initialApiVersion": plain(inputs)["apiVersion"],
        "__fieldManager": MANAGER,
    }
    return marked(live, inputs) | kept


def live_part(properties: dict[str, Any]) -> Object:
    """The live object of a checkpoint."""
    return {key: value for key, value in plain(properties).items() if not key.startswith("__")}


def preview_of(inputs: dict[str, Any], tried: Object) -> dict[str, Any]:
    """The result of a dry run, with what a real create would make anew as unknown."""
    metadata = {key: value for key, value in tried["metadata"].items() if key != "managedFields"}
    metadata |= {key: UNKNOWN for key in _SERVER_METADATA if key in metadata}
    shown = {**{key: value for key, value in tried.items() if key != "status"}, "metadata": metadata}
    if tried.get("kind") == "Service":
        given = plain(inputs).get("spec") or {}
        shown["spec"] = {**tried["spec"], **{key: UNKNOWN for key in _ALLOCATED if key not in given}}
    return checkpoint(inputs, shown)


def id_of(obj: Object) -> str:
    """The resource ID: `namespace/name`, or the name."""
    metadata = obj["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def identified(obj: Object, resource_id: str) -> Object:
    """The object under the name and namespace of a resource ID."""
    namespace, _, name = resource_id.rpartition("/")
    metadata = {**(obj.get("metadata") or {}), "name": name}
    return {**obj, "metadata": metadata | ({"namespace": namespace} if namespace else {})}


def redacted(text: str, inputs: dict[str, Any]) -> str:
    """A message without the secrets of the inputs: an API server may quote the value that it refuses."""
    for secret in secrets_in(marked(inputs, inputs)):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "[secret]").replace(base64.b64encode(secret.encode()).decode(), "[secret]")
    return text
