"""Words and pieces that Envoy's configuration says again and again."""

from typing import Any

Json = dict[str, Any]

TYPES = "type.googleapis.com/envoy."
"""In front of the name of every extension's configuration."""


FOLDER = "/etc/envoy"

PICKED = "x-gateway-destination-endpoint"
"""The header in which the picker names the decode worker."""

PREFILL = "x-prefiller-host-port"
"""The header in which it names the prefill worker to the routing sidecar."""


def address(host: str, port: int) -> Json:
    """Socket address of a listener or an endpoint."""
    return {"socket_address": {"address": host, "port_value": port}}
