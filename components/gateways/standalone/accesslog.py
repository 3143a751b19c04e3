"""Envoy's access log: one JSON line per request, with the workers that the picker chose."""

from collections.abc import Mapping
from types import MappingProxyType

PICKED = "x-gateway-destination-endpoint"
"""The header in which the picker names the decode worker."""

PREFILL = "x-prefiller-host-port"
"""The header in which it names the prefill worker to the routing sidecar."""

_SINCE_START = "%COMMON_DURATION(DS_RX_BEG:{}:us)%"

FORMAT: Mapping[str, str] = MappingProxyType(
    {
        "start": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3f+00:00)%",
        "id": "%REQ(X-REQUEST-ID)%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "route": "%ROUTE_NAME%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "decode": f"%REQ({PICKED})%",
        "prefill": f"%REQ({PREFILL})%",
        "upstream": "%UPSTREAM_HOST%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "picked_us": _SINCE_START.format("US_TX_BEG"),
        "first_byte_us": _SINCE_START.format("US_RX_BEG"),
        "total_us": _SINCE_START.format("DS_TX_END"),
        "received": "%BYTES_RECEIVED%",
        "sent": "%BYTES_SENT%",
    }
)
"""Envoy's command operators by field; what has no value is null. Times are microseconds from the request's first byte:
until it was sent to a worker, until the answer's first byte came, until its last was sent."""
