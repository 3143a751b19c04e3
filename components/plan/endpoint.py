"""Where clients reach a stack, as far as that is known before anything is deployed."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from components.config.gateway import Gateway
from components.config.security import ApiKey
from components.config.vocabulary import ServiceType
from components.names import HTTP_PORT, gateway_service
from components.plan.context import Context

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    """The Gateway, and what a request must have so that the stack's route takes it."""

    namespace: str
    gateway: str
    service: str | None
    """The Service that the controller makes for the Gateway, if it makes one."""
    scheme: str
    port: int
    """Port of the listener, or of the given address."""
    address: str | None
    """Where clients reach it, if the settings say so."""
    outside: bool
    """Whether the address that the Gateway gets can be reached from outside the cluster."""
    host: str | None
    """Host name that a request asks for; None: any."""
    path: str
    """Prefix before `/v1`: empty, or such as `/llama`."""
    headers: Mapping[str, str]
    api_key: ApiKey | None
    """Where the API key of requests is; None: requests need none."""
    secrets: str
    """Namespace of the Secret with the API key."""


def endpoint(context: Context) -> Endpoint:
    """The endpoint of a stack: its Ingress or the given URL, else its Gateway's listener, HTTPS if there is one."""
    settings, provider = context.settings, context.provider
    gateway, existing = settings.gateway, settings.gateway.existing
    name = existing.name if existing else context.names.gateway
    kind = provider.service_type or gateway.service_type
    url = urlsplit(_given(gateway))
    scheme = url.scheme or ("https" if gateway.tls else "http")
    listener = gateway.tls.port if gateway.tls else HTTP_PORT
    return Endpoint(
        namespace=(existing.namespace if existing else None) or settings.namespace,
        gateway=name,
        service=None if provider.service_suffix is None else gateway_service(name, provider.service_suffix),
        scheme=scheme,
        port=(url.port or DEFAULT_PORTS[scheme]) if url.scheme else listener,
        address=url.hostname,
        outside=existing is None and not url.hostname and kind is ServiceType.LOAD_BALANCER,
        host=_host(gateway.route.hostnames, url.hostname),
        path=gateway.route.path.rstrip("/"),
        headers=gateway.route.headers,
        api_key=settings.security.api_key,
        secrets=settings.namespace,
    )


def _given(gateway: Gateway) -> str:
    if gateway.existing:
        return gateway.existing.url or ""
    if gateway.ingress:
        return f"{'https' if gateway.ingress.tls_secret else 'http'}://{gateway.ingress.host}"
    return ""


def _host(names: list[str], address: str | None) -> str | None:
    """A host name that the route accepts: the address if it is one of them, else the first."""
    if not names or address in names:
        return address if names else None
    return names[0].replace("*", "any", 1)
