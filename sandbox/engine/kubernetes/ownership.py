"""Who owns which field of a live object, and passing our own fields from a create to server-side apply."""

from typing import Any

from sandbox.cluster.api import Api, ApiError, Object

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
