"""Ending a gateway's pod without cutting a request: no new connections, then wait for those under way.

istio's agent does this inside the pod; here the pod runner asks the controller to (the pods' preStop hook).
"""

import asyncio
import time
from contextlib import suppress

import urllib3
from urllib3.exceptions import HTTPError

from sandbox.gateway.deployment import STATUS_PORT

PATIENCE = 25.0
"""Seconds for requests under way; less than the pod's termination grace of 30 s."""
_PAUSE = 0.1
_UNDER_WAY = r"/stats?filter=^http\.http\..*downstream_rq_active$"


async def drain(address: str, patience: float = PATIENCE) -> None:
    """Return when the Envoy at `address` has no request left, is gone, or patience has run out."""
    with suppress(HTTPError, ValueError):
        await asyncio.to_thread(_drain, address, time.monotonic() + patience)


def _drain(address: str, deadline: float) -> None:
    with urllib3.HTTPConnectionPool(address, STATUS_PORT, retries=False, timeout=2) as envoy:
        envoy.request("POST", "/drain_listeners?graceful&inboundonly&skip_exit")
        while time.monotonic() < deadline:
            lines = envoy.request("GET", _UNDER_WAY).data.decode().split("\n")
            if not sum(int(line.partition(": ")[2]) for line in lines if line):
                return
            time.sleep(_PAUSE)
