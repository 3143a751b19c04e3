"""preStop hook of the vLLM container: waits until the worker has no requests left, because SIGTERM aborts them.

Usage: python3 -c <this text> <vLLM's port> <seconds at most> <hold> <the prefill workers' port, on decode>

Needs the standard library of Python only. The exit code is always 0. The hook ends before its bound only if it sees an
idle worker, a closed port, or a server that is silent for PATIENCE seconds. An answer that it cannot read counts as a
busy worker.
"""

import http.client
import json
import math
import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

QUIET = 2
"""Seconds without a request before the hook ends. By then the endpoint picker no longer chooses this worker."""
PATIENCE = 30
"""Seconds without any answer to /metrics after which the server counts as hung."""
REFRESH = 2
"""Seconds that vLLM has for the request that refreshes its gauges."""
LARGEST = 16_000_000
"""Bytes of /metrics that are read."""
ESTABLISHED = "01"
"""State of a connection in /proc/net/tcp."""
RUNNING, WAITING, USAGE = "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"
UNREADABLE = (OSError, http.client.HTTPException, ValueError, LookupError, TypeError)
"""What a wrong, cut or malformed answer raises."""


def gauges(port: int) -> dict[str, float]:
    """Return vLLM's gauges without labels, summed over its engines. Raises one of UNREADABLE."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read(LARGEST).decode()
    if answer.status != 200 or answer.length:  # length: what of the body is missing
        raise ValueError(answer.status)
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("vllm:"):
            name, value = line.split("{")[0].split(" ")[0], line.rsplit(" ", 1)[1]
            found[name] = found.get(name, 0) + float(value)
    return found


def requests(port: int) -> tuple[float, float]:
    """Return the number of requests, and the share of the KV cache in use. Not a number: not known.

    Raises ConnectionRefusedError when no server listens, and TimeoutError when it is silent.
    """
    try:
        found = gauges(port)
        return found[RUNNING] + found[WAITING], found.get(USAGE, math.nan)
    except (ConnectionRefusedError, TimeoutError):
        raise
    except UNREADABLE:
        return math.nan, math.nan


def refresh(port: int, seconds: float) -> None:
    """Let vLLM compute one token, because it updates its gauges only when its engine steps.

    Blocks that a peer has fetched are freed without a step: `kv_cache_usage_perc` keeps its old value (vLLM 0.17.1).
    After an error the gauge keeps its value, too.
    """
    key = os.environ.get("VLLM_API_KEY")
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)) as connection:
            connection.request("GET", "/v1/models", headers=headers)
            model = json.loads(connection.getresponse().read(LARGEST))["data"][0]["id"]
            body = json.dumps({"model": model, "prompt": "a", "max_tokens": 1})
            connection.request("POST", "/v1/completions", body, headers)
            connection.getresponse().read(LARGEST)
    except UNREADABLE:
        return


def connected(port: int) -> bool:
    """Whether the routing sidecar of this pod has a connection to a prefill worker; True if that cannot be seen."""
    try:
        rows = [row.split() for file in Path("/proc/net").glob("tcp*") for row in file.read_text().splitlines()[1:]]
        return any(row[3] == ESTABLISHED and int(row[2].rsplit(":", 1)[1], 16) == port for row in rows)
    except UNREADABLE:
        return True


def main(port: int, limit: int, hold: int, prefill_port: int | None = None) -> None:
    """Return when the worker has been idle for QUIET seconds and no other worker needs it, or after `limit` seconds.

    vLLM does not count all work as a request. For `hold` seconds the hook waits for the rest: on decode, from the start
    of the hook, for requests that a prefill worker still computes; on prefill, after the last request, for decode
    workers that have not fetched their KV blocks.
    """
    begin = busy = time.monotonic()
    refreshed = None
    while (now := time.monotonic()) - begin < limit:
        try:
            running, usage = requests(port)
        except (ConnectionRefusedError, TimeoutError):
            return  # vLLM still loads, has ended, or hangs
        if running != 0:
            busy = now
        if prefill_port:
            owed = now - begin < hold and connected(prefill_port)
        else:
            owed = now - busy < hold and usage != 0
            if owed and now - busy >= QUIET and (refreshed is None or now - refreshed >= QUIET):
                refresh(port, min(REFRESH, limit - (now - begin)))
                refreshed = time.monotonic()
                continue
        if now - busy >= QUIET and not owed:
            return
        time.sleep(0.25)


def stop_after(seconds: int) -> None:
    """End this process after `seconds`, even while it reads an answer that comes byte by byte."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.alarm(seconds)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    stop_after(numbers[1])
    main(*numbers)
