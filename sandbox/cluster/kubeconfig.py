"""The HTTP connections to the API server of a kubeconfig of the sandbox."""

import ssl
from pathlib import Path
from typing import Any

import urllib3
import yaml

from sandbox.errors import SandboxError

CONNECTIONS = 64
"""As many requests at once as the engine has resource operations under way."""


class Unreachable(SandboxError):
    """No API server: there is no kubeconfig, no such context, or no answer."""


def connections(kubeconfig: Path, context: str = "") -> tuple[urllib3.HTTPConnectionPool, dict[str, str]]:
    """Return the connections of a context, else of the current one, and the headers that log in.

    Certificates are files there, as `certificates` writes them. Raises `Unreachable`.
    """
    if not kubeconfig.is_file():
        raise Unreachable(f"there is no kubeconfig: {kubeconfig} does not exist")
    config = yaml.load(kubeconfig.read_text(), Loader=yaml.CSafeLoader)
    contexts, clusters, users = (
        {one["name"]: one[kind] for one in config[f"{kind}s"]} for kind in ("context", "cluster", "user")
    )
    chosen = contexts.get(context or config["current-context"])
    if chosen is None:
        raise Unreachable(
            f"context {context!r} does not exist in {kubeconfig}; contexts that do: {', '.join(contexts)}"
        )
    cluster, user = clusters[chosen["cluster"]], users[chosen["user"]]
    options = {"ssl_context": _tls(cluster, user)} if cluster["server"].startswith("https:") else {}
    pool = urllib3.connection_from_url(cluster["server"], maxsize=CONNECTIONS, retries=False, **options)
    return pool, {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}


def _tls(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cluster.get("certificate-authority"))
    if "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    return context
