"""How a user of the kubeconfig logs in: certificate, token, password, or a program that prints a credential.

It is not the login of the official Python client (35.0.0), which ignores `proxy-url`, forgets NO_PROXY, logs the
failure of a login program and goes on without a login, and takes a fifth of a second to import.
"""

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from urllib3 import HTTPHeaderDict

from access.errors import NoAccess

PROGRAM_SECONDS = 10

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Login:
    """What a request needs to have the rights of a user."""

    headers: HTTPHeaderDict = field(repr=False)
    tls: ssl.SSLContext
    renewable: bool
    """Whether logging in again may give another credential: a program or a file gave this one."""


def log_in(cluster: Entry, user: Entry) -> Login:
    """Log in with the entries of a kubeconfig. Raises `NoAccess`."""
    if user.get("auth-provider"):
        raise NoAccess("the kubeconfig's auth-provider is gone since Kubernetes 1.26: it needs an exec entry")
    given = {**user, **(_asked(user["exec"], cluster) if user.get("exec") else {})}
    return Login(_headers(given), _tls(cluster, given), bool(user.get("exec") or user.get("tokenFile")))


def _headers(user: Entry) -> HTTPHeaderDict:
    """HTTP headers that log a user in, and that name whom to impersonate. `tokenFile` takes precedence over `token`."""
    headers = HTTPHeaderDict()
    if token := _text(user, "tokenFile").strip() or user.get("token"):
        headers["Authorization"] = f"Bearer {token}"
    elif user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    for key, header in (("as", "Impersonate-User"), ("as-uid", "Impersonate-Uid")):
        if user.get(key):
            headers[header] = user[key]
    for group in user.get("as-groups") or []:
        headers.add("Impersonate-Group", group)
    for key, values in (user.get("as-user-extra") or {}).items():
        for value in values:
            headers.add(f"Impersonate-Extra-{key}", value)
    return headers


def _tls(cluster: Entry, user: Entry) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority") or None)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # clusters' own authorities often lack what it asks for
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate = _pem(user, "client-certificate")
        if certificate:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # TLS takes it from a file only
                file.write(f"{certificate}\n{_pem(user, 'client-key')}")
                file.flush()
                context.load_cert_chain(file.name)
    except (OSError, ValueError) as error:
        raise NoAccess(f"the kubeconfig's certificates cannot be used: {error}") from None
    return context


def _asked(program: Entry, cluster: Entry) -> dict[str, Any]:
    """What a credential program prints (client.authentication.k8s.io)."""
    version = program.get("apiVersion", "client.authentication.k8s.io/v1")
    spec: dict[str, Any] = {"interactive": False}
    if program.get("provideClusterInfo"):
        spec["cluster"] = _described(cluster)
    info = json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": spec})
    environment = {each["name"]: each["value"] for each in program.get("env") or []}
    command = [program["command"], *(program.get("args") or [])]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment, "KUBERNETES_EXEC_INFO": info},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS,
            check=True,
        )
        status = dict(json.loads(done.stdout)["status"])
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise NoAccess(f"the kubeconfig's login program {command[0]} failed: {lines[-1]}") from None
    except subprocess.TimeoutExpired:
        raise NoAccess(f"the kubeconfig's login program {command[0]} took over {PROGRAM_SECONDS} s") from None
    except OSError as error:
        raise NoAccess(f"the kubeconfig's login program {command[0]} cannot run: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise NoAccess(f"the kubeconfig's login program {command[0]} printed no credential") from None
    names = {"token": "token", "clientCertificateData": "client-certificate-pem", "clientKeyData": "client-key-pem"}
    return {name: status[given] for given, name in names.items() if given in status}


def _described(cluster: Entry) -> dict[str, Any]:
    """The cluster as a login program sees it."""
    names = ("server", "tls-server-name", "proxy-url", "insecure-skip-tls-verify")
    described = {name: cluster[name] for name in names if cluster.get(name)}
    if authority := _pem(cluster, "certificate-authority"):
        described["certificate-authority-data"] = base64.b64encode(authority.encode()).decode()
    for each in cluster.get("extensions") or []:
        if each.get("name") == "client.authentication.k8s.io/exec":
            described["config"] = each.get("extension")
    return described


def _pem(entry: Entry, name: str) -> str:
    """A certificate or key: plain, in base64, or in a file; empty when there is none."""
    if entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"]).decode()
    return str(entry.get(f"{name}-pem") or _text(entry, name))


def _text(entry: Entry, name: str) -> str:
    try:
        return Path(entry[name]).read_text() if entry.get(name) else ""
    except OSError as error:
        raise NoAccess(f"the kubeconfig's {name} cannot be read: {error}") from None
