"""Requests to one API server, for any number of threads."""

import ssl
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3 import BaseHTTPResponse, HTTPHeaderDict, PoolManager, ProxyManager, Timeout, exceptions
from urllib3.util import make_headers

from access.errors import NoAccess, NoAnswer
from access.kubeconfig import Kubeconfig
from access.login import Login, log_in
from access.proxies import Proxy, proxy_of

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
AT_ONCE = 8
"""Connections that stay open: as many as a server answers to one client without queueing it (API priority and
fairness)."""

urllib3.disable_warnings(exceptions.InsecureRequestWarning)  # `insecure-skip-tls-verify` is the user's decision


class ApiServer:
    """One API server with one login."""

    def __init__(self, cluster: Mapping[str, Any], user: Mapping[str, Any], at_once: int = AT_ONCE) -> None:
        """Log in with the entries of a kubeconfig; no request yet. Raises `NoAccess`."""
        self.url = str(cluster.get("server", "")).rstrip("/")
        place = urlsplit(self.url)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise NoAccess("the kubeconfig names no server for it")
        self._entries, self._at_once = (cluster, user), at_once
        self._proxy = proxy_of(cluster, self.url)
        self._renewing = threading.Lock()
        self._log_in()

    @classmethod
    def connect(cls, kubeconfig: Kubeconfig, context: str | None = None, at_once: int = AT_ONCE) -> "ApiServer":
        """Log in to the cluster of a context; None is the current one. No request yet. Raises `NoAccess`."""
        context = context or kubeconfig.current
        if context is None:
            raise NoAccess("the kubeconfig has no current context")
        if context not in kubeconfig.contexts:
            raise NoAccess(f"the kubeconfig has no context {context}")
        return cls(kubeconfig.cluster(context), kubeconfig.user(context), at_once)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        stream: bool = False,
    ) -> BaseHTTPResponse:
        """Send a request; a refusal is an answer too. `path` includes the query.

        `seconds` is the longest silence, by default `READ_SECONDS`. With `stream` the body is read as it arrives.
        Raises `NoAccess`; `NoAnswer` when only this request has no answer.
        """
        login, seconds = self._login, seconds or READ_SECONDS
        response = self._send(method, path, body, headers, seconds, stream=stream)
        if response.status == 401 and login.renewable:
            with self._renewing:
                if self._login is login:
                    self._log_in()
            response = self._send(method, path, body, headers, seconds, stream=stream)
        return response

    def urlopen(self, method: str, path: str, *, headers: Mapping[str, str], **options: Any) -> BaseHTTPResponse:
        """Send a request as a pool of urllib3 does, with the login. Raises the exceptions of urllib3."""
        sent = HTTPHeaderDict(headers)
        sent.extend(self._login.headers)
        return self._pool.urlopen(method, self.url + path, headers=sent, redirect=False, **options)

    def _log_in(self) -> None:
        self._login = log_in(*self._entries)
        name = self._entries[0].get("tls-server-name")
        self._pool = _pool(self._login, self._proxy, {"maxsize": self._at_once, "server_hostname": name})

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        seconds: float,
        *,
        stream: bool,
    ) -> BaseHTTPResponse:
        kind = {} if body is None else {"Content-Type": "application/json"}
        try:
            return self.urlopen(
                method,
                path,
                body=body,
                headers={**kind, **(headers or {})},
                timeout=Timeout(connect=CONNECT_SECONDS, read=seconds),
                retries=False,
                preload_content=not stream,
            )
        except exceptions.ReadTimeoutError:
            raise NoAnswer(f"no answer within {seconds:g} s") from None
        except exceptions.ProtocolError as error:
            raise NoAnswer(f"the connection broke: {_innermost(error)}") from None
        except exceptions.HTTPError as error:
            raise NoAccess(self._reason(error)) from None

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, exceptions.ProxyError) and self._proxy:
            return f"the proxy {self._proxy.url} does not lead to it: {_innermost(error)}"
        if isinstance(error, exceptions.ConnectTimeoutError) and not isinstance(error, exceptions.NewConnectionError):
            through = f" through the proxy {self._proxy.url}" if self._proxy else ""
            return f"no connection within {CONNECT_SECONDS:.0f} s{through}"
        return _innermost(error)


def _pool(login: Login, proxy: Proxy | None, options: dict[str, Any]) -> PoolManager:
    options = {**options, "ssl_context": login.tls}
    if proxy is None:
        return PoolManager(**options)
    if proxy.url.startswith("socks5h"):
        try:
            from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415  (needs PySocks)
        except ImportError:
            raise NoAccess("a socks5 proxy needs the package PySocks: `pip install -r requirements.txt`") from None
        return SOCKSProxyManager(proxy.url, username=proxy.user, password=proxy.password, **options)
    given = f"{proxy.user}:{proxy.password}" if proxy.user is not None else None
    sent = {name.title(): value for name, value in make_headers(proxy_basic_auth=given).items()}  # some want capitals
    return ProxyManager(
        proxy.url,
        proxy_headers=sent,
        proxy_ssl_context=login.tls,  # client-go trusts the proxy by the cluster's authority, too
        **options,
    )


def _innermost(error: BaseException) -> str:
    """The reason in words, from the exception that is wrapped most deeply."""
    while inner := next((each for each in error.args if isinstance(each, BaseException)), None) or error.__cause__:
        error = inner
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return str(error).rpartition(">: ")[2] or type(error).__name__
