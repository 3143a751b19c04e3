"""Runs in the vLLM container before SIGTERM, which aborts running requests: waits until the worker has none left.

Usage: python3 -c <this text> <vLLM's port> <seconds at most> <hold> <the prefill workers' port, on decode>

Needs Python's standard library only. Whatever goes wrong ends the hook, and the pod ends as it would without one.
"""

import http.client
import json
import sys
import time
from pathlib import Path

QUIET = 2
"""Seconds without a request: by then the picker, told at once that the pod ends, has stopped choosing it."""
PATIENCE = 30
"""Seconds that a worker may leave /metrics unanswered before it counts as hung."""
REFRESH = 2
"""Seconds that vLLM may leave a request for fresh gauges unanswered."""
ESTABLISHED = "01"


def gauges(port: int) -> dict[str, float]:
    """vLLM's gauges without their labels, summed over its engines. Raises OSError when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/metrics")
    found: dict[str, float] = {}
    for line in connection.getresponse().read().decode().splitlines():
        if line.startswith("vllm:"):
            name, value = line.split("{")[0].split(" ")[0], line.rsplit(" ", 1)[1]
            found[name] = found.get(name, 0) + float(value)
    connection.close()
    return found


def refresh(port: int, seconds: float) -> None:
    """Make vLLM compute one token, because it writes its gauges only when its engine steps.

    Blocks that a peer has fetched are freed without a step: `kv_cache_usage_perc` keeps its old value (vLLM 0.17.1).
    Any answer will do: with an error, such as 401 of a server with an API key, the gauge stays as it is.
    """
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
        connection.request("GET", "/v1/models")
        model = json.loads(connection.getresponse().read())["data"][0]["id"]
        body = json.dumps({"model": model, "prompt": "a", "max_tokens": 1})
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        connection.getresponse().read()
        connection.close()
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return


def connected(port: int) -> bool:
    """Whether anyone in this pod, the sidecar that is, has a connection to a prefill worker."""
    rows = [row.split() for file in Path("/proc/net").glob("tcp*") for row in file.read_text().splitlines()[1:]]
    return any(row[3] == ESTABLISHED and int(row[2].rsplit(":", 1)[1], 16) == port for row in rows)


def main(port: int, limit: int, hold: int, prefill_port: int | None = None) -> None:
    """Return when the worker has been QUIET and nobody is owed anything, at the latest after `limit` seconds.

    vLLM does not count everything as a request. For `hold` seconds something may still come: on decode, from the hook's
    begin, a request whose prefill was under way; on prefill, after the last request, who fetches its KV blocks.
    """
    begin = answered = busy = time.monotonic()
    refreshed = None
    while (now := time.monotonic()) - begin < limit:
        try:
            vllm = gauges(port)
        except ConnectionRefusedError:
            return  # nobody serves: still loading, or dead
        except OSError:
            if now - answered > PATIENCE:
                return
            busy = now
        else:
            answered = now
            if vllm["vllm:num_requests_running"] + vllm["vllm:num_requests_waiting"]:
                busy = now
            if prefill_port:
                owed = now - begin < hold and connected(prefill_port)
            else:
                owed = now - busy < hold and vllm.get("vllm:kv_cache_usage_perc", 0) > 0
                if owed and now - busy >= QUIET and (refreshed is None or now - refreshed >= QUIET):
                    refresh(port, min(REFRESH, limit - (now - begin)))
                    refreshed = time.monotonic()
                    continue
            if now - busy >= QUIET and not owed:
                return
        time.sleep(0.25)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
