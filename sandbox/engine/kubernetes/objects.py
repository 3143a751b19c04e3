"""Create, read, update and delete one object as the official plugin does: by server-side apply, never by force."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.cluster.api import ApiError, Object
from sandbox.cluster.kubeconfig import Unreachable
from sandbox.engine.kubernetes import ownership, readiness
from sandbox.engine.kubernetes.cluster import Cluster
from sandbox.engine.kubernetes.settings import Settings
from sandbox.engine.kubernetes.waiting import Canceller, NotReady, Waiter

RETRY_SECONDS = (2, 4, 8, 16, 32)
"""A create whose CRD or namespace isn't there yet is tried again: another program may be making it."""

CONFLICT_HELP = (
    "Server-Side Apply field conflict detected: another manager owns a field that the program sets. Drop it from the "
    "program, take it over with `pulumi config set --path serving.adopt true` and `pulumi up`, or let the other "
    "manager give it up"
)


class Unfinished(Exception):
    """The object is on the API server but not ready; it belongs into the state as it is."""

    def __init__(self, live: Object, cause: NotReady) -> None:
        super().__init__(str(cause))
        self.live = live
        self.reasons = cause.reasons


@dataclass(frozen=True)
class Objects:
    """The objects of one provider. `say(text)` shows a passing line beside the resource."""

    cluster: Cluster
    settings: Settings
    canceller: Canceller

    def create(self, inputs: Object, seconds: float, say: Callable[[str], None], *, preview: bool) -> Object:
        """Create the object and wait until it is ready, or let the server try it in a preview.

        Raises `Unfinished` when it exists but isn't ready, `ApiError` with the server's reason otherwise.
        """
        if preview:
            return self._send_new(inputs, preview=True)
        for attempt, pause in enumerate((*RETRY_SECONDS, 0)):
            try:
                live = self._send_new(inputs, preview=False)
                break
            except ApiError as error:
                if error.code != 404 or not pause:
                    raise
                say(f"Retry #{attempt}; creation failed: {error.message}")
                self.canceller.sleep(pause)
        say("")
        return self._settled(inputs, live, seconds, say)

    def update(self, inputs: Object, seconds: float, say: Callable[[str], None], *, preview: bool) -> Object:
        """Apply the inputs over the object and wait until it is ready again; raises as `create`."""
        path = self.cluster.path(inputs)
        live = self.cluster.api.get(path)
        if not preview:
            ownership.adopt_own_fields(self.cluster.api, path, live)
            live = self._apply(inputs, path, preview=False)
            return self._settled(inputs, live, seconds, say)
        try:
            return self._apply(inputs, path, preview=True)
        except ApiError as error:
            # The real update adopts our create's fields first, which a dry run can't.
            if not ownership.conflicts_only_with_create(error):
                raise
            return self._apply(inputs, path, preview=True, force=True)

    def read(self, obj: Object) -> Object | None:
        """The live object; None when it is gone, or its kind is."""
        try:
            return self.cluster.api.get(self.cluster.path(obj))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def unready(self, inputs: Object, live: Object) -> readiness.Progress | None:
        """How far the object is right now, when it isn't ready."""
        rule = readiness.rule(inputs)
        progress = rule(live) if rule else readiness.READY
        return None if progress.ready else progress

    def delete(self, obj: Object, seconds: float, say: Callable[[str], None]) -> None:
        """Delete the object and wait until it is gone; one that is gone already is fine."""
        live = self.read(obj)
        if live is None:
            return
        uid = live["metadata"]["uid"]
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}
        try:
            self.cluster.api.request("DELETE", self.cluster.path(obj), {}, {**options, "preconditions": {"uid": uid}})
        except ApiError as error:
            if error.code == 404:
                return
            raise
        Waiter(self.cluster, self.canceller, say).gone(obj, uid, seconds)

    def _send_new(self, inputs: Object, *, preview: bool) -> Object:
        if self.settings.upsert_existing_objects:
            return self._apply(inputs, self.cluster.path(inputs), preview=preview)
        query = {"fieldManager": ownership.MANAGER, "fieldValidation": "Strict"} | _dry_run(preview)
        return self.cluster.api.request("POST", self.cluster.collection(inputs), query, _encoded(inputs))

    def _apply(self, inputs: Object, path: str, *, preview: bool, force: bool = False) -> Object:
        forced = str(force or self.settings.enable_patch_force).lower()
        query = {"fieldManager": ownership.MANAGER, "fieldValidation": "Strict", "force": forced} | _dry_run(preview)
        try:
            return self.cluster.api.request("PATCH", path, query, _encoded(inputs), "application/apply-patch+yaml")
        except ApiError as error:
            if error.code == 409:
                error.message = f"{CONFLICT_HELP}\n: {error.message}"
            raise

    def _settled(self, inputs: Object, live: Object, seconds: float, say: Callable[[str], None]) -> Object:
        try:
            Waiter(self.cluster, self.canceller, say).ready(inputs, live, seconds)
        except NotReady as error:
            raise Unfinished(self._now(inputs, live), error) from None
        return self._now(inputs, live)

    def _now(self, inputs: Object, live: Object) -> Object:
        """The object as it is; as last seen where the server is away: the state has to have it."""
        try:
            return self.read(inputs) or live
        except (ApiError, Unreachable):
            return live


def _dry_run(preview: bool) -> dict[str, str]:
    return {"dryRun": "All"} if preview else {}


def _encoded(inputs: Object) -> Object:
    """A Secret's `stringData` as `data`: with server-side apply a key dropped from `stringData` would stay for ever."""
    if inputs["kind"] != "Secret" or "stringData" not in inputs:
        return inputs
    data = {key: base64.b64encode(str(value).encode()).decode() for key, value in inputs["stringData"].items()}
    rest = {key: value for key, value in inputs.items() if key != "stringData"}
    return {**rest, "data": {**(inputs.get("data") or {}), **data}}
