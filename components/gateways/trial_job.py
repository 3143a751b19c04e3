"""Sends requests to a generation before it serves, and compares the workers' counters before and after them.

Runs in a pod of the Job `trial`, with the standard library only. Its last lines are the Job's termination message.
"""

import http.client
import json
import os
import re
import socket
import ssl
import sys
import time
from urllib.parse import urlsplit

HEADER = "x-llm-d-generation"
SAMPLE = re.compile(r"^([a-zA-Z_:]+)(?:\{.*\})? ([0-9.eE+-]+)$", re.MULTILINE)
PATIENCE = 60
"""Seconds until the workers must be found: the names of pods that just became Ready come to DNS later."""
FINISHED = "vllm:request_success_total"
FETCHED = ("vllm:nixl_bytes_transferred_sum", "vllm:external_prefix_cache_hits_total")


def ask(number: int) -> str:
    """What is wrong with the answer to one request; empty: nothing."""
    url = urlsplit(os.environ["URL"])
    headers = {"Content-Type": "application/json", **json.loads(os.environ["HEADERS"])}
    if key := os.environ.get("API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    prompt = f"{number} {time.time()} {os.environ['PROMPT']}"
    body = {"model": os.environ["MODEL"], "prompt": prompt, "max_tokens": 8, "temperature": 0}
    connection = _connection(url.scheme, str(url.hostname), url.port)
    try:
        connection.request("POST", f"{url.path.rstrip('/')}/v1/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            return f"status {answer.status}: {text[:200].decode(errors='replace')}"
        found = answer.getheader(HEADER, "")
        if os.environ["NAMED"] == "true" and found != os.environ["GENERATION"]:
            return f"the answer came from another generation ({HEADER}: {found or 'none'})"
        return "" if json.loads(text)["choices"][0]["text"] else "the answer is empty"
    except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
        return f"no answer: {type(error).__name__}: {error}"
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        file = os.environ.get("CA")
        context = ssl.create_default_context(cafile=file) if file else ssl._create_unverified_context()
        return http.client.HTTPSConnection(host, port, timeout=120, context=context)
    return http.client.HTTPConnection(host, port, timeout=120)


def counters(service: str) -> dict[str, float]:
    """Sums of the counters of all workers behind a headless Service (`name:port`)."""
    host, _, port = service.rpartition(":")
    total: dict[str, float] = {}
    for address in sorted({each[4][0] for each in socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)}):
        connection = http.client.HTTPConnection(str(address), int(port), timeout=30)
        try:
            connection.request("GET", "/metrics")
            for name, value in SAMPLE.findall(connection.getresponse().read().decode()):
                total[name] = total.get(name, 0) + float(value)
        finally:
            connection.close()
    return total


def found() -> dict[str, dict[str, float]]:
    """The counters of both tiers, once DNS knows the workers."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return {role: counters(os.environ[role]) for role in ("PREFILL", "DECODE")}
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def grown(before: dict[str, float], after: dict[str, float], names: tuple[str, ...]) -> float | None:
    """The growth of the first counter that workers have; None: they have none of them."""
    return next((after[name] - before.get(name, 0) for name in names if name in after), None)


def evidence(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> list[str]:
    """What the counters of both tiers say against the generation."""
    wrong = []
    computed = grown(before["PREFILL"], after["PREFILL"], (FINISHED,))
    if computed is None and FINISHED in after["DECODE"]:
        computed = 0.0  # a server that has the counter once it has answered
    if computed is None:
        print(f"prefill: not measurable, no {FINISHED}")
    elif computed == 0:
        wrong.append("no prefill worker was asked: decode workers computed all prompts")
    fetched = grown(before["DECODE"], after["DECODE"], FETCHED)
    if fetched is None:
        print(f"KV transfer: not measurable, decode workers have none of {', '.join(FETCHED)}")
    elif fetched == 0:
        wrong.append("no decode worker fetched KV blocks")
    return wrong


def main() -> int:
    """0 if the generation answers and disaggregates."""
    try:
        before = found()
        total, allowed = int(os.environ["REQUESTS"]), int(os.environ["MAX_ERRORS"])
        errors = [error for number in range(total) if (error := ask(number))]
        if len(errors) > allowed:
            print(f"{len(errors)} of {total} requests failed, {allowed} may: {'; '.join(dict.fromkeys(errors))}")
            return 1
        time.sleep(2)  # a worker counts a request after its answer
        after = found()
    except OSError as error:
        print(f"the workers' counters cannot be read: {error}")
        return 1
    wrong = evidence(before, after)
    print("; ".join(wrong) or f"{total} requests, {len(errors)} errors: the generation answers and disaggregates")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
