"""What a listener's references to certificates lead to, as the Gateway API prescribes it."""

import base64
import ssl
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sandbox.gateway.model import Certificate, Verdict
from sandbox.gateway.references import permitted
from sandbox.gateway.store import Object, World

_KEYS = ("tls.crt", "tls.key")


def certificates(world: World, gateway: Object, listener: Object) -> tuple[tuple[Certificate, ...], Verdict | None]:
    """Return the certificates of an HTTPS listener and, if any reference leads nowhere, why."""
    found: list[Certificate] = []
    problem = None
    for reference in (listener.get("tls") or {}).get("certificateRefs") or ():
        result = _certificate(world, gateway, reference)
        if isinstance(result, Verdict):
            problem = problem or result
        else:
            found.append(result)
    return tuple(found), problem


def _certificate(world: World, gateway: Object, reference: Object) -> Certificate | Verdict:
    group, kind = reference.get("group", ""), reference.get("kind", "Secret")
    ours = gateway["metadata"]["namespace"]
    key = (reference.get("namespace") or ours, reference["name"])
    if (group, kind) != ("", "Secret"):
        return Verdict(False, "InvalidCertificateRef", f"{group or 'core'}/{kind} can't be a certificate")
    if not permitted(world, ("Gateway", ours), ("", "Secret"), key):
        return Verdict(
            False, "RefNotPermitted", f"no ReferenceGrant in {key[0]} lets the Gateway refer to Secret {key[1]}"
        )
    secret = world["Secret"].get(key)
    if secret is None:
        return Verdict(
            False, "InvalidCertificateRef", f"there is no Secret {key[0]}/{key[1]} of type kubernetes.io/tls"
        )
    chain, private = _decoded(secret.get("data") or {})
    complaint = _complaint(chain, private)
    if complaint:
        return Verdict(False, "InvalidCertificateRef", f"Secret {key[0]}/{key[1]}: {complaint}")
    return Certificate(chain, private)


def _decoded(data: Mapping[str, Any]) -> tuple[str, str]:
    chain, private = (base64.b64decode(data.get(key, "")).decode(errors="replace") for key in _KEYS)
    return chain, private


@lru_cache(64)
def _complaint(chain: str, private: str) -> str:
    """OpenSSL's judgement; empty if the two are a certificate and its key."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{private}\n{chain}")
        file.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file.name)
        except ssl.SSLError as error:
            return f"is no certificate with its key: {error.reason or error}"
    return ""
