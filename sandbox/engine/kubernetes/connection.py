"""The HTTP connections to the API server of a kubeconfig.

Not the Kubernetes client: importing it takes half a second of every preview, and its typed models would only be
turned back into what the engine wants, plain objects.
"""

import base64
import ssl
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from sandbox.engine.kubernetes.kubeconfig import Target, Unusable

CONNECTIONS = 64
"""As many requests at once as the engine has resource operations under way."""

_OFFICIAL_ONLY = ("exec", "auth-provider")


def connect(target: Target) -> tuple[urllib3.HTTPConnectionPool, dict[str, str]]:
    """The connections and the headers that log us in; raises `Unusable` for what only the official plugin can do."""
    user = target.user
    for way in _OFFICIAL_ONLY:
        if user.get(way):
            raise Unusable(f"context {target.context!r} logs in with {way!r}, which needs the official plugin")
    if urlsplit(target.server).path.strip("/"):
        raise Unusable(f"the API server {target.server} is below a path, which needs the official plugin")
    options: dict[str, Any] = {}
    if target.server.startswith("https:"):
        options["ssl_context"] = _tls(target.cluster, user)
        if target.cluster.get("tls-server-name"):
            options["server_hostname"] = options["assert_hostname"] = target.cluster["tls-server-name"]
    pool = urllib3.connection_from_url(target.server, maxsize=CONNECTIONS, retries=False, **options)
    return pool, _headers(user)


def _tls(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    try:
        authority = _pem(cluster, "certificate-authority")
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate = _pem(user, "client-certificate")
        if certificate:
            with tempfile.TemporaryDirectory() as folder:  # TLS takes a certificate of ours from files only
                parts = [Path(folder, "certificate"), Path(folder, "key")]
                for part, pem in zip(parts, (certificate, _pem(user, "client-key")), strict=True):
                    part.write_bytes(pem)
                context.load_cert_chain(*map(str, parts))
    except (OSError, ValueError) as error:
        raise Unusable(f"its certificates cannot be used: {error}") from None
    return context


def _headers(user: dict[str, Any]) -> dict[str, str]:
    token = user.get("token") or (Path(user["tokenFile"]).read_text().strip() if user.get("tokenFile") else "")
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user.get("username"):
        return dict(urllib3.make_headers(basic_auth=f"{user['username']}:{user.get('password', '')}"))
    return {}


def _pem(entry: dict[str, Any], name: str) -> bytes:
    """A certificate or key, in the kubeconfig itself or in a file; empty when there is none."""
    if entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"])
    return Path(entry[name]).read_bytes() if entry.get(name) else b""
