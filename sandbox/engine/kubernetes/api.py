"""The API server as the provider sees it: kinds, objects, errors in the server's own words.

Importing the Kubernetes client takes half a second, so it happens at the first request: a preview in which nothing has
changed never makes one.
"""

import contextlib
import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.engine.kubernetes import kubeconfig
from sandbox.engine.kubernetes.settings import Settings

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

CONNECTIONS = 64
"""As many requests at once as the engine has resource operations under way."""


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
        self._client: Any = None
        self._certificates = tempfile.TemporaryDirectory(prefix="sandbox-kubeconfig-")
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

    def close(self) -> None:
        """Remove the certificates that the kubeconfig carries and TLS wants as files."""
        self._certificates.cleanup()

    def _send(self, method: str, path: str, body: Any, content: str, query: dict[str, str]) -> Any:
        client = self._connected()
        from kubernetes.client import ApiException  # noqa: PLC0415  (see the module's docstring)
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        headers = {"Accept": "application/json"} | ({"Content-Type": content} if body is not None else {})
        try:
            return client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params=headers,
                body=body,
                _preload_content=False,
                _return_http_data_only=True,
            )
        except ApiException as error:
            raise ApiError(error.status, _status(error)) from None
        except HTTPError as error:
            reason = str(getattr(error, "reason", error)).rpartition(">: ")[2]  # urllib3 puts its objects in front
            server = client.configuration.host
            raise ClusterUnreachable(f"the API server at {server} does not answer: {reason}") from None

    def _connected(self) -> Any:
        with self._connecting:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        try:
            target = kubeconfig.target(self._settings)
        except kubeconfig.Unusable as error:
            raise ClusterUnreachable(
                f"unable to load Kubernetes client configuration from kubeconfig file: {error}"
            ) from None
        from kubernetes import client, config  # noqa: PLC0415  (see the module's docstring)

        configuration = client.Configuration()
        configuration.connection_pool_maxsize = CONNECTIONS
        config.load_kube_config_from_dict(
            target.config,
            context=target.context,
            client_configuration=configuration,
            persist_config=False,
            temp_file_path=self._certificates.name,
        )
        return client.ApiClient(configuration)


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


def _status(error: Any) -> Object:
    try:
        status = json.loads(error.body)
    except (TypeError, ValueError):
        return {"message": f"{error.status} {error.reason}"}
    return status if isinstance(status, dict) else {"message": str(status)}
