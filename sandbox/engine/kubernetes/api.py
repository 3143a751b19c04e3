"""The API server as the provider sees it: kinds, objects, errors in the server's own words."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from sandbox.engine.kubernetes import connection, kubeconfig
from sandbox.engine.kubernetes.settings import Settings

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

CONNECT_SECONDS = 10.0
"""An API server that is there answers at once; reading may take as long as the server likes."""


class ClusterUnreachable(Exception):
    """No usable kubeconfig, no such context, or nobody answers."""


class ApiError(Exception):
    """The API server said no; the text is its own."""

    def __init__(self, code: int, status: Object) -> None:
        super().__init__(status.get("message") or f"the API server answered {code}")
        self.code = code
        self.reason: str = status.get("reason") or ""
        self.details: Object = status.get("details") or {}


class NoSuchKind(ApiError):
    """The API server doesn't know the kind: a missing CRD, or a typo."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(404, {"message": f'no matches for kind "{kind}" in version "{api_version}"'})


@dataclass(frozen=True)
class Kind:
    """Where objects of a kind live on the API server."""

    prefix: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """The URL path of an object, or of the collection without `name`."""
        parts = [self.prefix, *(("namespaces", namespace or "default") if self.namespaced else ()), self.plural]
        return "/".join([*parts, *([name] if name else [])])


class Cluster:
    """One API server. Every request may raise `ClusterUnreachable` or `ApiError`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._connecting = threading.Lock()
        self._connection: tuple[urllib3.HTTPConnectionPool, dict[str, str]] | None = None
        self._kinds: dict[str, dict[str, Kind]] = {}

    def namespace(self) -> str:
        """The namespace of objects that name none."""
        try:
            return kubeconfig.target(self._settings).namespace
        except kubeconfig.Unusable:
            return "default"

    def kind(self, api_version: str, kind: str) -> Kind:
        """Look a kind up; unknown ones are asked for anew each time, because their CRD may come later."""
        with self._lock:
            known = self._kinds.get(api_version, {})
            if kind not in known:
                prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
                try:
                    listed = self.request("GET", prefix)["resources"]
                except ApiError as error:
                    if error.code == 404:
                        raise NoSuchKind(api_version, kind) from None
                    raise
                known = {r["kind"]: Kind(prefix, r["name"], r["namespaced"]) for r in listed if "/" not in r["name"]}
                self._kinds[api_version] = known
        if kind not in known:
            raise NoSuchKind(api_version, kind)
        return known[kind]

    def path(self, obj: Object, *, named: bool = True) -> str:
        """The URL path of an object."""
        metadata = obj["metadata"]
        name = metadata["name"] if named else None
        return self.kind(obj["apiVersion"], obj["kind"]).path(metadata.get("namespace"), name)

    def request(
        self, method: str, path: str, body: Any = None, content: str = "application/json", **query: str
    ) -> Object:
        """Send one request and read the answer."""
        response = self._send(method, path, body, content, query)
        answer: Object = json.loads(response.data)
        return answer

    def watch(self, collection: str, name: str, seconds: float) -> "Watch":
        """Follow one object for at most `seconds`."""
        query = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": str(int(seconds) + 1)}
        return Watch(self._send("GET", collection, None, "", query))

    def _send(self, method: str, path: str, body: Any, content: str, query: dict[str, str]) -> Any:
        pool, login = self._connected()
        headers = {"Accept": "application/json", **login} | ({"Content-Type": content} if body is not None else {})
        try:
            response = pool.urlopen(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=None),
                preload_content=False,
            )
            if response.status >= 400:
                raise ApiError(response.status, _status(response.status, response.data))
        except HTTPError as error:
            reason = str(error).rpartition(">: ")[2]  # urllib3 puts its objects in front
            raise ClusterUnreachable(f"the API server at {pool.host}:{pool.port} does not answer: {reason}") from None
        return response

    def _connected(self) -> tuple[urllib3.HTTPConnectionPool, dict[str, str]]:
        with self._connecting:
            if self._connection is None:
                try:
                    self._connection = connection.connect(kubeconfig.target(self._settings))
                except kubeconfig.Unusable as error:
                    raise ClusterUnreachable(
                        f"unable to load Kubernetes client configuration from kubeconfig file: {error}"
                    ) from None
            return self._connection


class Watch:
    """The events of one watch request."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __iter__(self) -> Iterator[Object]:
        """Yield events as the server sends them, until the request's time is over or `stop` is called."""
        rest = b""
        for chunk in self._response.stream():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (json.loads(line) for line in lines if line)

    def stop(self) -> None:
        """End the iteration from another thread: a blocked read only ends with its socket."""
        with contextlib.suppress(OSError, AttributeError):
            self._response.connection.sock.shutdown(socket.SHUT_RDWR)


def _status(code: int, body: bytes) -> Object:
    try:
        status = json.loads(body)
    except ValueError:
        return {"message": f"the API server answered {code}: {body.decode(errors='replace')[:200]}"}
    return status if isinstance(status, dict) else {"message": str(status)}
