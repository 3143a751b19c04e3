"""Property values and states of objects: protobuf structs on the wire, plain data with `Secret` here.

A state holds the object with the program's inputs. The plugin owns the fields that its apply has written.
"""

import base64
import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

from sandbox.cluster.api import Api, ApiError, Object

SIGNATURE = rpc._special_sig_key
SECRET_SIGNATURE = rpc._special_secret_sig


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
"""A value that exists only after an `up`; the API server must never receive it."""

_UNKNOWN_TEXTS = {  # one for each type of value: bool, number, string, array, asset, archive, object
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    rpc.UNKNOWN,
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}


@dataclass(frozen=True)
class Secret:
    """A value that the engine encrypts in the state and hides on screen."""

    value: Any


def decode(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Read a struct. Nulls are left out; whole numbers become ints, because Kubernetes distinguishes them."""
    return {key: _decode(value) for key, value in struct.fields.items() if value.WhichOneof("kind") != "null_value"}


def _decode(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            signature = value.struct_value.fields[SIGNATURE].string_value if SIGNATURE in value.struct_value else None
            if signature is None:
                return decode(value.struct_value)
            if signature == SECRET_SIGNATURE:
                return Secret(_decode(value.struct_value.fields["value"]))
            raise ValueError("an asset, archive or resource reference cannot be part of a Kubernetes object")
        case "list_value":
            return [_decode(item) for item in value.list_value.values]
        case "number_value":
            return int(value.number_value) if value.number_value.is_integer() else value.number_value
        case "string_value":
            return UNKNOWN if value.string_value in _UNKNOWN_TEXTS else value.string_value
        case "bool_value":
            return value.bool_value
    return None


def encode(properties: dict[str, Any]) -> struct_pb2.Struct:
    """Write a struct; the inverse of `decode`."""
    struct = struct_pb2.Struct()
    struct.update({key: _encode(value) for key, value in properties.items()})
    return struct


def _encode(value: Any) -> Any:
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET_SIGNATURE, "value": _encode(value.value)}
    if value is UNKNOWN:
        return rpc.UNKNOWN
    if isinstance(value, dict):
        return {key: _encode(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_encode(inner) for inner in value]
    return value


def plain(value: Any) -> Any:
    """Return the value without secret marks."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def _parts(value: Any) -> Iterable[Any]:
    """Return the parts of a value; none for a text or a number."""
    if isinstance(value, Secret):
        return (value.value,)
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def has_unknown(value: Any) -> bool:
    """Whether any part of the value is unknown yet."""
    return value is UNKNOWN or any(has_unknown(part) for part in _parts(value))


def marked_like(value: Any, pattern: Any) -> Any:
    """Mark values in `value` as secret that are secret in `pattern` at the same path."""
    if isinstance(pattern, Secret):
        return Secret(plain(value))
    if isinstance(value, dict) and isinstance(pattern, dict):
        return {key: marked_like(inner, pattern.get(key)) for key, inner in value.items()}
    if isinstance(value, list) and isinstance(pattern, list) and any(True for _ in secrets_in(pattern)):
        if len(value) != len(pattern):  # the secret item is unknown
            return Secret(value)
        return [marked_like(inner, item) for inner, item in zip(value, pattern, strict=True)]
    return value


SENSITIVE = ("data", "stringData")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def marked(value: dict[str, Any], pattern: dict[str, Any]) -> dict[str, Any]:
    """`marked_like`, and all data of the kind Secret."""
    result: dict[str, Any] = marked_like(value, pattern)
    if plain(value.get("kind")) != "Secret":
        return result
    result |= {field: Secret(plain(result[field])) for field in SENSITIVE if field in result}
    annotations = plain(result.get("metadata") or {}).get("annotations") or {}
    if _LAST_APPLIED in annotations:
        annotations[_LAST_APPLIED] = Secret(annotations[_LAST_APPLIED])
        result["metadata"] = {**result["metadata"], "annotations": annotations}
    return result


def secrets_in(value: Any, *, within: bool = False) -> Iterator[str]:
    """Yield every secret text in the value, to keep it out of messages; `within`: all of it is secret."""
    secret = within or isinstance(value, Secret)
    if secret and not isinstance(value, (Secret, dict, list)):
        yield str(value)
    for part in _parts(value):
        yield from secrets_in(part, within=secret)


@dataclass(frozen=True)
class Settings:
    """The arguments of `kubernetes.Provider(…)`."""

    context: str = ""
    upsert_existing_objects: bool = False
    enable_patch_force: bool = False

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Settings":
        """Read the provider's inputs; the engine passes some booleans as text."""
        values = {key: value for key, value in plain(given).items() if not has_unknown(value)}
        return cls(
            context=values.get("context", ""),
            upsert_existing_objects=str(values.get("upsertExistingObjects")).lower() == "true",
            enable_patch_force=str(values.get("enablePatchForce")).lower() == "true",
        )


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
