"""Creates, reads, updates and deletes objects, and waits for them, as the official plugin does; never by force."""

import base64
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from access import kubeconfig
from access.errors import NoAccess
from access.server import ApiServer
from sandbox.cluster.api import CONNECTIONS, Api, ApiError, Object, Unreachable
from sandbox.engine.kubernetes import readiness, state
from sandbox.engine.kubernetes.state import Settings


class NoSuchKind(ApiError):
    """The API server does not serve this kind: the CRD is missing, or the kind has a typo."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(404, {"message": f'no matches for kind "{kind}" in version "{api_version}"'})


class Cluster:
    """The API server of a context of $KUBECONFIG. Every use may raise `Unreachable` or `ApiError`."""

    def __init__(self, context: str) -> None:
        self._context = context
        self._connecting = threading.Lock()
        self._api: Api | None = None
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    @property
    def api(self) -> Api:
        """The API server's client."""
        with self._connecting:
            if self._api is None:
                try:
                    self._api = Api(ApiServer.connect(kubeconfig.read(), self._context, CONNECTIONS))
                except NoAccess as error:
                    raise Unreachable(str(error)) from None
            return self._api

    def path(self, obj: Object) -> str:
        """Return the URL path of an object."""
        return f"{self.collection(obj)}/{obj['metadata']['name']}"

    def collection(self, obj: Object) -> str:
        """Return the URL path of the collection of an object."""
        plural, namespaced = self._kind(obj["apiVersion"], obj["kind"])
        place = f"/namespaces/{obj['metadata'].get('namespace', 'default')}" if namespaced else ""
        return f"{_root(obj['apiVersion'])}{place}/{plural}"

    def _kind(self, api_version: str, kind: str) -> tuple[str, bool]:
        """Return a kind's plural and whether it has namespaces. Unknown kinds are not cached: a CRD may appear."""
        if (api_version, kind) not in self._kinds:
            try:
                listed = self.api.get(_root(api_version))["resources"]
            except ApiError as error:
                if error.code == 404:
                    raise NoSuchKind(api_version, kind) from None
                raise
            self._kinds |= {
                (api_version, one["kind"]): (one["name"], one["namespaced"]) for one in listed if "/" not in one["name"]
            }
        if (api_version, kind) not in self._kinds:
            raise NoSuchKind(api_version, kind)
        return self._kinds[api_version, kind]


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


_PAUSE = 0.2
_NOT_NOW = {429, 500, 503, 504}
"""Statuses of a server that is starting or overloaded."""


class Cancelled(Exception):
    """The engine cancelled the operation."""


class NotReady(Exception):
    """The object exists but did not become ready; `reasons` explain it."""

    def __init__(self, message: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.reasons = reasons


class Canceller:
    """The provider's cancellation signal."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Cancel all current and later waits."""
        self._cancelled.set()

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise `Cancelled`."""
        if self._cancelled.wait(seconds):
            raise Cancelled


@dataclass(frozen=True)
class Waiter:
    """Waits for objects of one cluster; `say` shows a temporary line beside the resource."""

    cluster: Cluster
    canceller: Canceller
    say: Callable[[str], None]

    def ready(self, inputs: Object, live: Object, seconds: float) -> None:
        """Wait until the object is ready. Raises `NotReady` at the timeout or when the engine cancels."""
        rule = readiness.rule(inputs)
        if rule is None:
            return
        name, progress = live["metadata"]["name"], readiness.Progress(False)
        for seen in self._states(live, seconds):
            if seen is None:
                raise NotReady(f"{name!r} was deleted while it was waited for")
            progress = rule(seen)
            if progress.ready:
                return
            if progress.failed:
                raise NotReady(f"{name!r} failed", (*self._last_words(seen), *progress.reasons))
            self.say(progress.message)
        raise NotReady(f"{name!r} timed out waiting to be Ready", progress.reasons or (progress.message,))

    def gone(self, obj: Object, uid: str, seconds: float) -> None:
        """Wait until the object with this uid is gone. Raises `NotReady` at the timeout."""
        for seen in self._states(obj, seconds):
            if seen is None or seen["metadata"]["uid"] != uid:
                return
            finalizers = ", ".join(seen["metadata"].get("finalizers") or [])
            self.say("Waiting for deletion" + (f" (finalizers: {finalizers})" if finalizers else ""))
        raise NotReady(f"{obj['metadata']['name']!r} timed out waiting to be deleted")

    def _last_words(self, job: Object) -> Iterator[str]:
        """Yield what the containers of a Job's pods wrote as they ended."""
        meta = job["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods"
        found = self.cluster.api.request("GET", path, {"labelSelector": f"batch.kubernetes.io/job-name={meta['name']}"})
        for pod in found["items"]:
            for each in (pod.get("status") or {}).get("containerStatuses") or []:
                ended = (each.get("state") or {}).get("terminated") or {}
                if ended.get("message"):
                    place = f"{meta['namespace']}/{pod['metadata']['name']}"
                    yield f"[Pod {place}]: [{ended.get('reason')}] {ended['message']}"

    def _states(self, obj: Object, seconds: float) -> Iterator[Object | None]:
        """Yield the object repeatedly until the timeout; None while it or its kind is absent.

        Requests to an absent or starting server are repeated, as in the official plugin's informers.
        """
        deadline = time.monotonic() + seconds
        try:
            while True:
                try:
                    yield self.cluster.api.get(self.cluster.path(obj))
                except Unreachable:
                    pass
                except ApiError as error:
                    if error.code == 404:
                        yield None
                    elif error.code not in _NOT_NOW:
                        raise
                if time.monotonic() >= deadline:
                    return
                self.canceller.sleep(_PAUSE)
        except Cancelled:
            raise NotReady(f"Resource operation was cancelled for {obj['metadata']['name']!r}") from None
        finally:
            self.say("")


RETRY_SECONDS = (2, 4, 8, 16, 32)
"""Pauses before a create is repeated while its CRD or namespace is missing: another program may make it."""

CONFLICT_HELP = (
    "Server-Side Apply field conflict detected: another manager owns a field that the program sets. Drop it from the "
    "program, take it over with `pulumi config set --path serving.adopt true` and `pulumi up`, or let the other "
    "manager give it up"
)


class Unfinished(Exception):
    """The object exists but is not ready; the state must record it."""

    def __init__(self, live: Object, cause: NotReady) -> None:
        super().__init__(str(cause))
        self.live = live
        self.reasons = cause.reasons


@dataclass(frozen=True)
class Objects:
    """The objects of one provider. `say(text)` shows a temporary line beside the resource."""

    cluster: Cluster
    settings: Settings
    canceller: Canceller

    def create(self, inputs: Object, seconds: float, say: Callable[[str], None], *, preview: bool) -> Object:
        """Create the object and wait until it is ready; in a preview, make a dry run.

        Raises `Unfinished` when it exists but is not ready, else `ApiError` with the server's reason.
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

    def update(
        self,
        inputs: Object,
        seconds: float,
        say: Callable[[str], None],
        *,
        preview: bool,
        ignored: Sequence[str] = (),
    ) -> Object:
        """Apply the inputs to the object and wait until it is ready. Raises as `create`.

        `ignored` are the paths of the resource's `ignoreChanges`.
        """
        path = self.cluster.path(inputs)
        live = self.cluster.api.get(path)
        inputs = state.with_ignored(inputs, live, ignored)
        if not preview:
            state.adopt_own_fields(self.cluster.api, path, live)
            live = self._apply(inputs, path, preview=False)
            return self._settled(inputs, live, seconds, say)
        try:
            return self._apply(inputs, path, preview=True)
        except ApiError as error:
            # The real update first adopts the fields of the create, which a dry run can't.
            if not state.conflicts_only_with_create(error):
                raise
            return self._apply(inputs, path, preview=True, force=True)

    def read(self, obj: Object) -> Object | None:
        """Return the live object; None when it or its kind is gone."""
        try:
            return self.cluster.api.get(self.cluster.path(obj))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def unready(self, inputs: Object, live: Object) -> readiness.Progress | None:
        """Return the object's progress if it is not ready."""
        rule = readiness.rule(inputs)
        progress = rule(live) if rule else readiness.READY
        return None if progress.ready else progress

    def delete(self, obj: Object, seconds: float, say: Callable[[str], None]) -> None:
        """Delete the object and wait until it is gone; a missing object is no error."""
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
        query = {"fieldManager": state.MANAGER, "fieldValidation": "Strict"} | _dry_run(preview)
        return self.cluster.api.request("POST", self.cluster.collection(inputs), query, _encoded(inputs))

    def _apply(self, inputs: Object, path: str, *, preview: bool, force: bool = False) -> Object:
        forced = str(force or self.settings.enable_patch_force).lower()
        query = {"fieldManager": state.MANAGER, "fieldValidation": "Strict", "force": forced} | _dry_run(preview)
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
        """Return the live object; if the server is absent, the last known one, because the state needs it."""
        try:
            return self.read(inputs) or live
        except (ApiError, Unreachable):
            return live


def _dry_run(preview: bool) -> dict[str, str]:
    return {"dryRun": "All"} if preview else {}


def _encoded(inputs: Object) -> Object:
    """Turn a Secret's `stringData` into `data`: server-side apply never removes keys dropped from `stringData`."""
    if inputs["kind"] != "Secret" or "stringData" not in inputs:
        return inputs
    data = {key: base64.b64encode(str(value).encode()).decode() for key, value in inputs["stringData"].items()}
    rest = {key: value for key, value in inputs.items() if key != "stringData"}
    return {**rest, "data": {**(inputs.get("data") or {}), **data}}
