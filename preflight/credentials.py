"""How a user of the kubeconfig logs in: certificate, token, password, or a program that is asked for one.

On the standard library: importing the official Kubernetes client costs half a second, and every preview comes here.
"""

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preflight.answers import Unreachable

PROGRAM_SECONDS = 10
"""How long a login program may take."""

Entry = Mapping[str, Any]


def complete(user: Entry, server: str) -> dict[str, Any]:
    """A user with what its login program says; raises `Unreachable`."""
    if user.get("auth-provider"):
        raise Unreachable("the kubeconfig's auth-provider is gone since Kubernetes 1.26: it needs an exec entry")
    return {**user, **(_asked(user["exec"], server) if user.get("exec") else {})}


def headers(user: Entry) -> dict[str, str]:
    """HTTP headers that log a completed user in."""
    token = user.get("token") or _text(user, "tokenFile").strip()
    if not token and not user.get("username"):
        return {}
    if token:
        return {"Authorization": f"Bearer {token}"}
    pair = f"{user['username']}:{user.get('password', '')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def tls(cluster: Entry, user: Entry) -> ssl.SSLContext:
    """The cluster's authority and the user's certificate; raises `Unreachable`."""
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
        raise Unreachable(f"the kubeconfig's certificates cannot be used: {error}") from None
    return context


def _asked(program: Entry, server: str) -> dict[str, Any]:
    """What a credential program prints (client.authentication.k8s.io)."""
    version = program.get("apiVersion", "client.authentication.k8s.io/v1")
    spec = {"interactive": False, "cluster": {"server": server}}
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
        raise Unreachable(f"the kubeconfig's login program {command[0]} failed: {lines[-1]}") from None
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"the kubeconfig's login program {command[0]} gave no credential: {error}") from None
    names = {"token": "token", "clientCertificateData": "client-certificate-pem", "clientKeyData": "client-key-pem"}
    return {name: status[given] for given, name in names.items() if given in status}


def _pem(entry: Entry, name: str) -> str:
    """A certificate or key: plain, in base64, or in a file; empty when there is none."""
    if entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"]).decode()
    return str(entry.get(f"{name}-pem") or _text(entry, name))


def _text(entry: Entry, name: str) -> str:
    try:
        return Path(entry[name]).read_text() if entry.get(name) else ""
    except OSError as error:
        raise Unreachable(f"the kubeconfig's {name} cannot be read: {error}") from None
