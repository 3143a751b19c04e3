"""Envoy's access log: the fields of a request, with Envoy's command operators. What has no value is null."""

from collections.abc import Mapping

_SINCE_START = "%COMMON_DURATION(DS_RX_BEG:{}:us)%"

FORMAT: Mapping[str, str] = {
    "start": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3f+00:00)%",
    "id": "%REQ(X-REQUEST-ID)%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "route": "%ROUTE_NAME%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "decode": "%REQ(x-gateway-destination-endpoint)%",
    "prefill": "%REQ(x-prefiller-host-port)%",
    "upstream": "%UPSTREAM_HOST%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "picked_us": _SINCE_START.format("US_TX_BEG"),
    "first_byte_us": _SINCE_START.format("US_RX_BEG"),
    "total_us": _SINCE_START.format("DS_TX_END"),
    "received": "%BYTES_RECEIVED%",
    "sent": "%BYTES_SENT%",
}
"""Times are microseconds from the request's first byte: until it was sent to a worker, until the answer's first byte
came, until its last was sent."""
