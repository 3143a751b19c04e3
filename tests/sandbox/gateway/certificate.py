"""A certificate that nobody else has signed, for listeners that speak HTTPS."""

import base64
import http.client
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

HOST = "door.example.com"


def _made() -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("chain.pem", "key.pem")]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        command += ["-days", "2", "-subj", "/CN=door", "-addext", f"subjectAltName=DNS:{HOST}"]
        subprocess.run([*command, "-out", str(files[0]), "-keyout", str(files[1])], check=True, capture_output=True)
        return files[0].read_text(), files[1].read_text()


CHAIN, KEY = _made()


def secret(name: str, namespace: str = "models", key: str = KEY) -> str:
    """Write a Secret with the certificate in YAML."""
    data = {"tls.crt": CHAIN, "tls.key": key}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": namespace},
            "data": {each: base64.b64encode(text.encode()).decode() for each, text in data.items()},
        }
    )


def secure(name: str = "door", *, port: int = 443, references: Sequence[Any] = ()) -> dict[str, Any]:
    """Return a listener that speaks HTTPS with a Secret's certificate."""
    held = list(references) or [{"name": name}]
    return {"name": "https", "port": port, "protocol": "HTTPS", "tls": {"certificateRefs": held}}


def ask(port: int | None) -> tuple[int, str]:
    """Ask a port of this machine for the certificate's host name, trusting that certificate alone."""
    trusting = ssl.create_default_context(cadata=CHAIN)
    with (
        socket.create_connection(("127.0.0.1", port or 0), timeout=20) as plain,
        trusting.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        connection.sendall(f"GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read().decode()
