"""`python -m bench.clients <plan as JSON>`: requests to several targets in turn, run inside the sandbox's network."""

import http.client
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Target:
    """Where requests go, and the headers that they carry."""

    name: str
    host: str
    port: int
    headers: dict[str, str]
    path: str = "/v1/completions"


@dataclass(frozen=True)
class Times:
    """Milliseconds per request, and requests per second over all clients."""

    p50: float
    p99: float
    per_second: float


def main() -> None:
    """Print {"sequential": {target: times}, "concurrent": …} as JSON: for each target, the round with the lowest p50.

    Other work on a shared machine doubles every number for seconds at a time, so the fastest round counts.
    """
    plan = json.loads(sys.argv[1])
    targets = [Target(**target) for target in plan["targets"]]
    result = {}
    for what, clients in (("sequential", 1), ("concurrent", plan["clients"])):
        rounds: dict[str, list[Times]] = {target.name: [] for target in targets}
        for _ in range(plan["rounds"]):
            for target in targets:  # in turn, so that other work hits all targets
                started = time.perf_counter()
                took = _load(target, plan["model"], clients, plan["requests"])
                rounds[target.name].append(_times(took, time.perf_counter() - started))
        result[what] = {name: asdict(min(times, key=lambda one: one.p50)) for name, times in rounds.items()}
    print(json.dumps(result))


def _times(took: list[float], seconds: float) -> Times:
    return Times(median(took) * 1000, quantiles(took, n=100)[98] * 1000, len(took) / seconds)


def _load(target: Target, model: str, clients: int, requests: int) -> list[float]:
    took: list[float] = []
    threads = [
        threading.Thread(target=_client, args=(target, model, requests // clients, took)) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def _client(target: Target, model: str, requests: int, took: list[float]) -> None:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=30)
    for number in range(requests):
        prompt = f"{time.perf_counter_ns()} {number} of a prompt that no cache has"
        body = json.dumps({"model": model, "prompt": prompt, "max_tokens": 4})
        started = time.perf_counter()
        connection.request(
            "POST", target.path, body, {"Content-Type": "application/json", "Host": "bench", **target.headers}
        )
        response = connection.getresponse()
        response.read()
        took.append(time.perf_counter() - started)
        if response.status != 200:
            raise SystemExit(f"{target.name} answered {response.status}")
    connection.close()


if __name__ == "__main__":
    main()
