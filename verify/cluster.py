"""Reads the cluster through its API server: objects, logs, and pods and Services through the API server's proxy.

It needs no port-forward, kubelet or load balancer. Where `kubectl` works, the verification works.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from access import kubeconfig
from access.errors import NoAccess, NoAnswer
from access.server import ApiServer
from verify.finding import Unreachable, VerifyError

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

READ_SECONDS = 30.0

_FORBIDDEN = re.compile(r'cannot (\w+) resource "([^"]+)"')


@dataclass
class Reply:
    """An HTTP answer of a pod, a Service or a gateway; `lines` yields its body as it arrives."""

    status: int
    headers: Mapping[str, str]
    _response: Any = field(repr=False)

    def text(self) -> str:
        """Read all of the body. Raises `Unreachable` when it breaks off."""
        with _whole():
            return str(self._response.data.decode(errors="replace"))

    def lines(self) -> Iterator[str]:
        """Yield the body's lines as they arrive. Raises `Unreachable` when it breaks off."""
        rest = b""
        with _whole():
            for chunk in self._response.stream(65536, decode_content=True):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)
        if rest:
            yield rest.decode(errors="replace")


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except HTTPError as broken:
        raise Unreachable(f"the answer broke off: {broken}", "the logs of what answered") from None


class Cluster:
    """Requests to one API server with the rights of the kubeconfig's user."""

    def __init__(self, server: ApiServer) -> None:
        self._api = server
        self.server: str = server.url

    @classmethod
    def connect(cls, context: str | None) -> "Cluster":
        """Connect with a context of $KUBECONFIG or the default file; None is the current one. Raises `VerifyError`."""
        try:
            return cls(ApiServer.connect(kubeconfig.read(), context))
        except NoAccess as error:
            raise VerifyError(
                f"no cluster to verify: {error}\nThe stack was deployed with "
                f"{f'context {context!r}' if context else 'the current context'}: point KUBECONFIG to a file that has "
                "it, or name another context for the same cluster with --context"
            ) from None

    def get(self, path: str, **query: str) -> Object:
        """Read an object or a list. Raises `Unreachable`, `VerifyError` when there is no API server."""
        return dict(json.loads(self._kubernetes(path, query)))

    def now(self) -> float:
        """Read the API server's clock, in seconds since 1970; this machine's if the answer has no date."""
        date = self._send("GET", "/version", {}, None, None).headers.get("Date")
        return parsedate_to_datetime(date).timestamp() if date else time.time()

    def create(self, path: str, document: Object) -> Object:
        """Create an object in a list. Raises `Unreachable`."""
        return dict(json.loads(self._kubernetes(path, {}, "POST", document)))

    def delete(self, path: str, **query: str) -> None:
        """Delete an object. Raises `Unreachable`."""
        self._kubernetes(path, query, "DELETE")

    def log(self, namespace: str, pod: str, container: str, **query: str) -> str:
        """Read a container's log. Raises `Unreachable`."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        return self._kubernetes(path, {"container": container, **query})

    def pod(self, namespace: str, name: str, port: int, path: str) -> Reply:
        """GET a path of a pod."""
        return self._proxied("GET", f"/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy{path}", None, None)

    def service(
        self,
        namespace: str,
        name: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: object = None,
        seconds: float = READ_SECONDS,
    ) -> Reply:
        """GET a path of a Service, or POST a body to it and wait `seconds` for each part of the answer.

        `name` is the API server's own for it: `[https:]service:port`. It passes headers on, a host name too.
        """
        place = f"/api/v1/namespaces/{namespace}/services/{name}/proxy{path}"
        return self._proxied("GET" if body is None else "POST", place, body, seconds, headers=headers)

    def _proxied(
        self, method: str, path: str, body: object, seconds: float | None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        response = self._send(method, path, {}, body, seconds, headers=headers)
        if response.status >= 400:
            complaint = _status(response)
            if complaint is not None:
                raise _refusal(method, path, response.status, complaint)
        return Reply(response.status, response.headers, response)

    def _kubernetes(self, path: str, query: Mapping[str, str], method: str = "GET", body: object = None) -> str:
        response = self._send(method, path, query, body, None)
        if response.status >= 400:
            raise _refusal(method, path, response.status, _status(response) or {})
        return Reply(response.status, response.headers, response).text()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: object,
        seconds: float | None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> BaseHTTPResponse:
        try:
            return self._api.request(
                method,
                f"{path}{'?' if query else ''}{urlencode(query)}",
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                seconds=seconds or READ_SECONDS,
                stream=True,
            )
        except NoAnswer as slow:
            raise Unreachable(str(slow), "see the logs of what should answer; or --timeout") from None
        except NoAccess as error:
            raise VerifyError(
                f"the API server {self.server} doesn't answer: {error}\n"
                "Is it the right cluster, is a VPN needed? --context names another way to the same cluster"
            ) from None


def _status(response: BaseHTTPResponse) -> Object | None:
    """Return the API server's own complaint; None when the answer came from behind it. Its body stays readable."""
    try:
        document = json.loads(response.data)
    except ValueError:
        return None
    return document if isinstance(document, dict) and document.get("kind") == "Status" else None


def _refusal(method: str, path: str, code: int, status: Object) -> Unreachable:
    message = status.get("message") or f"HTTP {code}"
    verb = {"POST": "create", "DELETE": "delete"}.get(method, "get")
    namespace, resource = _resource(path)
    if code == 401:
        return Unreachable(message, "the kubeconfig's credentials are refused: log in to the cluster again")
    if code == 403:
        where = f" in namespace {namespace}" if namespace else ""
        if named := _FORBIDDEN.search(message):
            verb, resource = named.groups()
        return Unreachable(message, f"RBAC: let this user `{verb}` `{resource}`{where}")
    if code == 404:
        return Unreachable(
            message, "the stack's objects are changed or gone: `pulumi refresh`, then `pulumi up`", missing=True
        )
    if "no endpoints available" in message:
        return Unreachable(message, "no Ready pod is behind this Service")
    if resource.endswith("/proxy"):
        return Unreachable(
            message,
            "firewall or NetworkPolicy: let the control plane reach the pods' ports",
        )
    if resource.endswith("/log") and code >= 500:
        return Unreachable(message, "firewall: let the control plane reach the kubelets (port 10250)")
    return Unreachable(message, "")


def _resource(path: str) -> tuple[str, str]:
    """Return the namespace and the resource as RBAC names it: `pods/proxy` for …/pods/name/proxy/metrics."""
    parts = path.strip("/").split("/")
    namespace = ""
    if "namespaces" in parts:
        at = parts.index("namespaces")
        namespace, parts = parts[at + 1], parts[at + 2 :]
        return namespace, parts[0] + (f"/{parts[2]}" if len(parts) > 2 else "")
    return namespace, parts[-1]
