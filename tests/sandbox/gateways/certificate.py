"""A certificate that nobody else has signed, for listeners that speak HTTPS."""

import base64
import http.client
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "door.example.com"


def made(host: str = HOST) -> tuple[str, str]:
    """Return a new certificate for a host name, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "door")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM).decode(), key.private_bytes(*plain).decode()


CHAIN, KEY = made()


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


def answered(port: int | None) -> tuple[int, str] | None:
    """Return status and text, or nothing while the connection ends before there are any."""
    try:
        return ask(port)
    except OSError:
        return None
