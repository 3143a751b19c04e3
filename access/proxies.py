"""The proxy to an API server, chosen as client-go does.

Sources: kubernetes/client-go, tools/clientcmd (`proxy-url`); golang.org/x/net, http/httpproxy/proxy.go (variables).
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from access.errors import NoAccess

SCHEMES = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True)
class Proxy:
    """A proxy without its credentials, and those."""

    url: str
    user: str | None = None
    password: str = field(default="", repr=False)


def proxy_of(cluster: Mapping[str, Any], server: str) -> Proxy | None:
    """Return the proxy of a kubeconfig's cluster entry, else that of the environment. Raises `NoAccess`."""
    if given := str(cluster.get("proxy-url") or ""):
        return _parsed(given, "the kubeconfig's proxy-url")
    scheme = urlsplit(server).scheme
    named = _variable(f"{scheme}_proxy")
    if not named or direct(server, _variable("no_proxy")):
        return None
    return _parsed(named if "://" in named else f"http://{named}", f"{scheme.upper()}_PROXY")


def direct(server: str, no_proxy: str) -> bool:
    """Whether NO_PROXY keeps the proxy away from a server: names, addresses, ranges, each with a port if it says so.

    A name stands for its subdomains too. This machine is never asked through a proxy.
    """
    place = urlsplit(server)
    host, port = (place.hostname or "").lower(), place.port or (443 if place.scheme == "https" else 80)
    address = _address(host)
    if host == "localhost" or (address and address.is_loopback):
        return True
    for entry in filter(None, (each.strip().lower() for each in no_proxy.split(","))):
        if entry == "*":
            return True
        if "/" in entry:
            if address and any(address in network for network in _networks(entry)):
                return True
            continue
        name, only = _with_port(entry)
        if only not in ("", str(port)) or not name:
            continue
        if numeric := _address(name):
            if numeric == address:
                return True
        elif not address and (host == name or host.endswith("." + name.removeprefix("*").removeprefix("."))):
            return True
    return False


def _variable(name: str) -> str:
    return os.environ.get(name.upper()) or os.environ.get(name) or ""


def _with_port(entry: str) -> tuple[str, str]:
    """Split `name:port`, `[IPv6]:port` or either without a port."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = entry.rpartition(":")
    return (entry, "") if entry.count(":") != 1 else (name, port)


def _address(text: str) -> Any:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _networks(text: str) -> Iterator[Any]:
    try:
        yield ip_network(text, strict=False)
    except ValueError:
        return


def _parsed(text: str, where: str) -> Proxy:
    try:
        place = urlsplit(text)
        port = place.port
    except ValueError:
        place, port = urlsplit(""), None
    if place.scheme not in SCHEMES or not place.hostname:
        raise NoAccess(f"{where} must be a URL with http, https or socks5 and a host")
    host = f"[{place.hostname}]" if ":" in place.hostname else place.hostname
    # A socks5 proxy resolves the name of the server, as client-go asks it to.
    scheme = "socks5h" if place.scheme == "socks5" else place.scheme
    url = urlunsplit((scheme, f"{host}:{port}" if port else host, "", "", ""))
    user = unquote(place.username) if place.username else None
    return Proxy(url, user, unquote(place.password or ""))
