"""A client of the sandbox's API server: plain JSON, objects by path, and watches that reconnect.

It is not the Kubernetes client, because that takes half a second to import, and its typed models take longer to build
than the answers to fetch. The stand-in of the Kubernetes plugin uses it, too.
"""

import json
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from access import kubeconfig as kubeconfigs
from access.server import ApiServer
from sandbox.errors import SandboxError

CONNECTIONS = 64
"""Parallel requests: as many as the engine's parallel resource operations."""


class Unreachable(SandboxError):
    """No API server: the kubeconfig is missing, or the server does not answer."""


Object = dict[str, Any]
"""A Kubernetes object as JSON."""
Event = tuple[str, Object]
"""ADDED, MODIFIED or DELETED with the object; SYNCED with an empty one after all existing objects."""


def is_true(one: Object, condition: str) -> bool:
    """Whether a condition in the status of an object is True."""
    conditions = (one.get("status") or {}).get("conditions") or ()
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)


_BUSY = urllib3.Retry(
    connect=0, read=0, redirect=0, other=0, status=30, status_forcelist={429}, allowed_methods=None, backoff_factor=0.2,
    backoff_max=1, raise_on_status=False,
)  # fmt: skip
"""Retries for half a minute while the server is too busy, or the storage of a new kind is not ready."""

_MANAGER = "sandbox"
_QUIET_SECONDS = 300
"""A watch without events is renewed after this time, because the server may have disappeared silently."""


class ApiError(Exception):
    """The API server refused a request; the text is the server's."""

    def __init__(self, code: int, status: Object) -> None:
        super().__init__(f"{status.get('reason', code)}: {status.get('message', '')}")
        self.code = code
        self.reason = str(status.get("reason", ""))
        self.message = str(status.get("message") or f"the API server answered {code}")
        self.details: Object = status.get("details") or {}


@contextmanager
def connect(kubeconfig: Path) -> Iterator["Api"]:
    """Yield a client for the cluster of this file, for any number of threads. Raises `Unreachable`."""
    if not kubeconfig.is_file():
        raise Unreachable(f"there is no kubeconfig: {kubeconfig} does not exist")
    yield Api(ApiServer.connect(kubeconfigs.read(str(kubeconfig)), at_once=CONNECTIONS))


class Api:
    """Requests to one API server. Raises `ApiError` when it refuses, `Unreachable` when it is gone."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def get(self, path: str, **query: str) -> Object:
        """Read an object or a list."""
        return self.request("GET", path, query)

    def find(self, path: str) -> Object | None:
        """Read an object; None if it or its kind does not exist."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def create(self, path: str, body: object, *, manager: str = _MANAGER) -> Object:
        """Create an object in the collection at `path`, or the result of a subresource such as `…/token`."""
        return self.request("POST", path, {"fieldManager": manager}, body)

    def apply(self, path: str, body: object) -> Object:
        """Apply an object server-side, with the sandbox as the field manager."""
        query = {"fieldManager": _MANAGER, "force": "true"}
        return self.request("PATCH", path, query, body, "application/apply-patch+yaml")

    def patch(self, path: str, body: object, content: str = "application/merge-patch+json", **query: str) -> Object:
        """Patch an object, or its status; `content` may be "application/strategic-merge-patch+json" instead."""
        return self.request("PATCH", path, {"fieldManager": _MANAGER, **query}, body, content)

    def delete(self, path: str, **query: str) -> Object:
        """Delete an object."""
        return self.request("DELETE", path, query)

    def text(self, path: str, **query: str) -> str:
        """Read a text: a log, or a pod's answer through the API server's proxy."""
        answer: bytes = self._send("GET", path, query).data
        return answer.decode(errors="replace")

    def lines(self, path: str, **query: str) -> Iterator[str]:
        """Read a text line by line, as it arrives."""
        response = self._send("GET", path, query, preload_content=False)
        with response:
            for line in _lines(response):
                yield line.decode(errors="replace")

    def watch(self, path: str, **query: str) -> Iterator[Event]:
        """List a collection and follow it endlessly, across interruptions.

        The watch yields every object at least once. After an interruption it yields objects that vanished meanwhile
        as DELETED. Raises `Unreachable` only if the server is gone at the first request.
        """
        known: dict[str, Object] = {}
        first = True
        while True:
            try:
                version = yield from self._list(path, query, known)
                first = False
                yield from self._follow(path, query, version, known)
            except SandboxError:
                if first:
                    raise
                time.sleep(0.2)  # the server restarts, or the sandbox ends
            except ApiError as error:
                if error.code not in (404, 410, 429, 500, 503):  # not served yet, too old, too busy
                    raise
                time.sleep(0.2)

    def _list(self, path: str, query: dict[str, str], known: dict[str, Object]) -> Generator[Event, None, str]:
        listed = self.get(path, **query)
        kind, version = listed["kind"].removesuffix("List"), listed["apiVersion"]
        present = {one["metadata"]["uid"]: {"kind": kind, "apiVersion": version, **one} for one in listed["items"]}
        for gone in known.keys() - present.keys():
            yield "DELETED", known[gone]
        for uid, one in present.items():
            yield "MODIFIED" if uid in known else "ADDED", one
        known.clear()
        known.update(present)
        yield "SYNCED", {}
        return str(listed["metadata"]["resourceVersion"])

    def _follow(self, path: str, query: dict[str, str], version: str, known: dict[str, Object]) -> Iterator[Event]:
        asked = {"timeoutSeconds": str(_QUIET_SECONDS), **query, "watch": "true", "resourceVersion": version}
        with self._send("GET", path, asked, preload_content=False) as response:
            for line in _lines(response):
                event = json.loads(line)
                kind, one = event["type"], event["object"]
                if kind == "ERROR":
                    raise ApiError(one.get("code", 500), one)
                if kind == "DELETED":
                    known.pop(one["metadata"]["uid"], None)
                elif kind != "BOOKMARK":
                    known[one["metadata"]["uid"]] = one
                yield kind, one

    def request(self, method: str, path: str, query: dict[str, str], body: object = None, content: str = "") -> Object:
        """Send any request and read the answer; `content` is the body's media type, JSON by default."""
        return dict(json.loads(self._send(method, path, query, body, content or "application/json").data))

    def _send(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: object = None,
        content: str = "",
        *,
        preload_content: bool = True,
    ) -> Any:
        try:
            response = self.server.urlopen(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                body=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": content} if content else {},
                preload_content=preload_content,
                retries=_BUSY,
            )
            if response.status >= 400:
                raise ApiError(response.status, _status(response.data))
        except HTTPError:
            raise Unreachable(
                "the sandbox's API server doesn't answer: it was stopped meanwhile; `make up` starts it again"
            ) from None
        return response


def _lines(response: Any) -> Iterator[bytes]:
    """Split a response into lines as they arrive. Raises `SandboxError` when the connection breaks."""
    rest = b""
    try:
        for chunk in response.stream():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line for line in lines if line)
    except HTTPError:
        raise SandboxError("the connection to the sandbox's API server broke") from None
    if rest:
        yield rest


def _status(body: bytes) -> Object:
    try:
        status = json.loads(body)
    except ValueError:
        return {"message": body.decode(errors="replace")[:300]}
    return status if isinstance(status, dict) else {"message": str(status)}
