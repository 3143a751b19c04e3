"""Envoy's access log in the sandbox: one JSON line per request, from which the CLI reads the routing decisions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from types import MappingProxyType

MARK = "x-sandbox-request"
"""Header that identifies a request of the sandbox's client, because istio's Envoy replaces `x-request-id`."""

_SINCE_START = "%COMMON_DURATION(DS_RX_BEG:{}:us)%"

FORMAT: Mapping[str, str] = MappingProxyType(
    {
        "start": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3f+00:00)%",
        "id": f"%REQ({MARK.upper()}?X-REQUEST-ID)%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "route": "%ROUTE_NAME%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "decode": "%REQ(X-GATEWAY-DESTINATION-ENDPOINT)%",
        "prefill": "%REQ(X-PREFILLER-HOST-PORT)%",
        "upstream": "%UPSTREAM_HOST%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "picked_us": _SINCE_START.format("US_TX_BEG"),
        "first_byte_us": _SINCE_START.format("US_RX_BEG"),
        "total_us": _SINCE_START.format("DS_TX_END"),
        "received": "%BYTES_RECEIVED%",
        "sent": "%BYTES_SENT%",
    }
)
"""Envoy's command operators by the name of their field in the log; null = no value."""


@dataclass(frozen=True)
class Access:
    """One ended request through a gateway: the fields of `FORMAT` that the CLI shows."""

    start: datetime
    id: str | None
    """The client's `x-sandbox-request`, else Envoy's `x-request-id`."""
    path: str | None
    """Path that the client sent."""
    status: int
    """0 if the client went away before there was an answer."""
    decode: str | None
    """Address and port of the decode worker that the picker chose; None = it was not asked, or did not answer."""
    prefill: str | None
    """Address and port of the prefill worker that the picker chose; None = decode only."""
    upstream: str | None
    """Address and port that answered."""
    picked_us: int | None
    """Microseconds from the request's first byte until it was sent on: the picker's decision."""
    first_byte_us: int | None
    """Microseconds until the first byte of the answer came."""
    total_us: int | None
    """Microseconds until the last byte of the answer was sent."""

    @property
    def as_picked(self) -> bool:
        """Whether the chosen worker served the request."""
        return self.decode is not None and self.decode == self.upstream


_FIELDS = [one.name for one in fields(Access)]


def read(line: str) -> Access | None:
    """Read one line of a gateway container's log; None for other lines, such as Envoy's own messages."""
    if not line.startswith('{"'):
        return None
    try:
        content = json.loads(line)
        return Access(**{name: content[name] for name in _FIELDS} | {"start": datetime.fromisoformat(content["start"])})
    except (ValueError, KeyError, TypeError):
        return None
