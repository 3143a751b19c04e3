"""One API server, asked in parallel with the rights of the kubeconfig's user, and never for longer than it takes."""

import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from components.kubeconfig import Kubeconfig
from preflight import credentials
from preflight.answers import Answer, Question, Unreachable

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
AT_ONCE = 8
"""Connections: as many as a server answers to one client without queueing it (API priority and fairness)."""

METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"
"""What to ask for, of an object or (`List`) of a list."""


class Cluster:
    """The cluster of one kubeconfig context. `Unreachable` when it, or a way to log in, does not answer."""

    def __init__(self, name: str, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> None:
        self.name = name
        """The cluster in words."""
        server = str(cluster.get("server", ""))
        place = urlsplit(server)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise Unreachable("the kubeconfig names no server for it")
        user = credentials.complete(user, server)
        self._headers = {"Accept": "application/json", **credentials.headers(user)}
        self._tls = credentials.tls(cluster, user) if place.scheme == "https" else None
        self._host, self._port = place.hostname, place.port or (443 if self._tls else 80)
        self._below = place.path.rstrip("/")
        self._sni = cluster.get("tls-server-name") or self._host
        self._proxy = cluster.get("proxy-url") or _proxy_for(place.scheme, self._host)
        self._mine = threading.local()

    @classmethod
    def connect(cls, kubeconfig: Kubeconfig, context: str | None = None) -> "Cluster":
        """The cluster of a context; None is the current one. No request yet; raises `Unreachable`."""
        context = context or kubeconfig.current
        if context is None:
            raise Unreachable("the kubeconfig has no current context")
        if context not in kubeconfig.contexts:
            raise Unreachable(f"the kubeconfig has no context {context}")
        cluster = kubeconfig.cluster(context)
        return cls(f"context {context}, server {cluster.get('server', 'unknown')}", cluster, kubeconfig.user(context))

    def ask(self, question: Question) -> Answer:
        """Ask one thing. What the server refuses is an answer, too; raises `Unreachable` when there is none."""
        headers = dict(self._headers)
        if question.metadata_only:
            headers["Accept"] = METADATA.format("List" if "?" in question.path else "")
        if question.body:
            headers["Content-Type"] = "application/json"
        method = "POST" if question.body else "GET"
        try:
            connection = getattr(self._mine, "connection", None) or self._connected()
            connection.request(method, self._below + question.path, question.body.encode() or None, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._mine.connection = None
            raise Unreachable(f"the API server does not answer: {_reason(error)}") from None
        try:
            body = json.loads(text)
        except ValueError:
            body = {"message": f"HTTP {response.status}: {text[:200].decode(errors='replace')}"}
        return Answer(response.status, body if isinstance(body, dict) else {})

    def ask_all(self, questions: Collection[Question]) -> dict[Question, Answer]:
        """Ask everything, several at a time, each thing once."""
        distinct = list(dict.fromkeys(questions))
        with ThreadPoolExecutor(AT_ONCE) as together:
            return dict(zip(distinct, together.map(self.ask, distinct), strict=True))

    def _connected(self) -> http.client.HTTPConnection:
        """A connection of this thread; it stays open for the next question."""
        if self._proxy:
            proxy = urlsplit(self._proxy)
            plain = socket.create_connection((str(proxy.hostname), proxy.port or 3128), CONNECT_SECONDS)
            _tunnel(plain, self._host, self._port)
        else:
            plain = socket.create_connection((self._host, self._port), CONNECT_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.sock = self._tls.wrap_socket(plain, server_hostname=self._sni) if self._tls else plain
        connection.sock.settimeout(READ_SECONDS)
        self._mine.connection = connection
        return connection


def _tunnel(plain: socket.socket, host: str, port: int) -> None:
    """Have a proxy connect us."""
    plain.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    answer = http.client.HTTPResponse(plain, method="CONNECT")
    answer.begin()
    if answer.status != 200:
        raise OSError(f"the proxy refuses to connect: {answer.status} {answer.reason}")


def _proxy_for(scheme: str, host: str) -> str | None:
    """HTTPS_PROXY and NO_PROXY, as everybody reads them."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    import urllib.request  # noqa: PLC0415  (most machines have no proxy, and need not wait for it)

    return None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(scheme)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:.0f} s to connect, {READ_SECONDS:.0f} s to read"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return str(error) or type(error).__name__
