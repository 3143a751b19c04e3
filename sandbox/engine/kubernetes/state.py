"""Parts of an object for the state and the program, and the fields that the plugin owns."""

import base64
import copy
from collections.abc import Sequence
from typing import Any

from sandbox.cluster.api import Api, ApiError, Object
from sandbox.engine.kubernetes.values import UNKNOWN, marked, plain, secrets_in

MANAGER = "pulumi-kubernetes"
"""The field manager of the official plugin."""

ATTEMPTS = 5
"""Attempts to write, because a controller may write the object between read and write."""


def adopt_own_fields(api: Api, path: str, live: Object) -> None:
    """Turn the fields that the plugin's create owns (operation Update) into fields that its apply owns.

    Otherwise the first update would conflict with the create, and fields that the program drops would stay.
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
    """Return the managed fields with the plugin's entries merged, or None if there is nothing to merge."""
    own = [entry for entry in entries if entry.get("manager") == MANAGER and not entry.get("subresource")]
    if all(entry["operation"] == "Apply" for entry in own):
        return None
    merged: dict[str, Any] = {}
    for entry in own:
        merged = _union(merged, entry["fieldsV1"])
    return [{**own[-1], "operation": "Apply", "fieldsV1": merged}, *(entry for entry in entries if entry not in own)]


def with_ignored(inputs: Object, live: Object, paths: Sequence[str]) -> Object:
    """Return the inputs of an update with the fields that `ignoreChanges` names, such as `spec.replicas`.

    As in the official plugin's `handleSSAIgnoreFields`: a field that only another manager owns is left out, so that the
    apply causes no conflict and no shared ownership. Every other field keeps the value that it has on the API server.
    """
    inputs = copy.deepcopy(inputs)
    entries = live["metadata"].get("managedFields") or []
    for path in paths:
        parts = path.split(".")
        own = any(_owns(entry, parts) for entry in entries if entry.get("manager") == MANAGER)
        others = any(_owns(entry, parts) for entry in entries if entry.get("manager") != MANAGER)
        found, value = _at(live, parts)
        *above, last = parts
        has_parent, parent = _at(inputs, above)
        if not has_parent:
            continue
        if others and not own:
            parent.pop(last, None)
        elif found:
            parent[last] = value
    return inputs


def _owns(entry: dict[str, Any], parts: Sequence[str]) -> bool:
    fields = entry.get("fieldsV1") or {}
    return _at(fields, [f"f:{part}" for part in parts])[0]


def _at(obj: Any, parts: Sequence[str]) -> tuple[bool, Any]:
    """Return whether a path of mappings exists, and its value."""
    for part in parts:
        if not isinstance(obj, dict) or part not in obj:
            return False, None
        obj = obj[part]
    return True, obj


def _union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**one, **{key: _union(one.get(key, {}), value) for key, value in other.items()}}


def conflicts_only_with_create(error: ApiError) -> bool:
    """Whether a refused apply conflicts only with the plugin's own create."""
    causes = error.details.get("causes") or []
    return bool(causes) and all(f'"{MANAGER}" using' in cause.get("message", "") for cause in causes)


_SERVER_METADATA = ("uid", "resourceVersion", "generation", "creationTimestamp")
_ALLOCATED = ("clusterIP", "clusterIPs")
SHORTEST_SECRET = 4
"""Shorter texts may appear in any message by chance."""


def checkpoint(inputs: dict[str, Any], live: Object) -> dict[str, Any]:
    """Return the live object with the program's secrets marked, and the official plugin's additions."""
    kept = {
        "__inputs": marked(plain(inputs), inputs),
        "__initialApiVersion": plain(inputs)["apiVersion"],
        "__fieldManager": MANAGER,
    }
    return marked(live, inputs) | kept


def live_part(properties: dict[str, Any]) -> Object:
    """Return the live object of a checkpoint."""
    return {key: value for key, value in plain(properties).items() if not key.startswith("__")}


def preview_of(inputs: dict[str, Any], tried: Object) -> dict[str, Any]:
    """Return the result of a dry run; values that a real create generates are unknown."""
    metadata = {key: value for key, value in tried["metadata"].items() if key != "managedFields"}
    metadata |= {key: UNKNOWN for key in _SERVER_METADATA if key in metadata}
    shown = {**{key: value for key, value in tried.items() if key != "status"}, "metadata": metadata}
    if tried.get("kind") == "Service":
        given = plain(inputs).get("spec") or {}
        shown["spec"] = {**tried["spec"], **{key: UNKNOWN for key in _ALLOCATED if key not in given}}
    return checkpoint(inputs, shown)


def id_of(obj: Object) -> str:
    """Return the resource ID: `namespace/name`, or the name."""
    metadata = obj["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def identified(obj: Object, resource_id: str) -> Object:
    """Return the object with the name and namespace of a resource ID."""
    namespace, _, name = resource_id.rpartition("/")
    metadata = {**(obj.get("metadata") or {}), "name": name}
    return {**obj, "metadata": metadata | ({"namespace": namespace} if namespace else {})}


def redacted(text: str, inputs: dict[str, Any]) -> str:
    """Return a message without the secrets of the inputs: an API server may quote a value that it refuses."""
    for secret in secrets_in(marked(inputs, inputs)):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "[secret]").replace(base64.b64encode(secret.encode()).decode(), "[secret]")
    return text
