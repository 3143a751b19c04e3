"""Legs: which workers computed a request, from the differences of their own counters.

A worker counts the requests of all clients. Other clients can only add legs, so several requests are sent one after
another, and the lowest count is used.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from verify import metrics
from verify.cluster import Cluster, Object
from verify.finding import Unreachable
from verify.pods import name
from verify.request import Answer
from verify.tiers import Tier, vllm_port

Counted = Mapping[str, metrics.Worker]
"""Each worker pod's figures."""
SETTLE_SECONDS = 3.0
"""How long a finished request may take to show up in /metrics."""


@dataclass(frozen=True)
class Trial:
    """One request, and the growth of the workers' counters of finished requests: pod → legs, by role."""

    answer: Answer
    legs: Mapping[str, Mapping[str, int]]

    def of(self, role: str) -> int:
        return sum(self.legs.get(role, {}).values())

    @property
    def path(self) -> str:
        """The workers in the order of the request: `gateway → prefill pod → decode pod`."""
        stations = [f"{role} {', '.join(pods)}" for role, pods in self.legs.items() if pods]
        return " → ".join(["gateway", *stations])


class Counters:
    """Reads all workers' /metrics through the API server."""

    def __init__(self, cluster: Cluster, namespace: str, tiers: Sequence[Tier]) -> None:
        self._cluster, self._namespace, self._tiers = cluster, namespace, tiers

    def read(self) -> Counted:
        """Ask every Ready worker. Raises `Unreachable` when one can't be asked."""
        pods = [pod for tier in self._tiers for pod in tier.ready]
        with ThreadPoolExecutor(8) as together:
            return dict(zip(map(name, pods), together.map(self._one, pods), strict=True))

    def try_out(self, send: Callable[[], Answer], before: Counted) -> tuple[Trial, Counted]:
        """Send one request; return it with its legs, and the counters after it."""
        answer = send()
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            after = self.read()
            trial = Trial(answer, self._difference(before, after))
            if answer.status != 200 or trial.of("decode") or time.monotonic() > deadline:
                return trial, after
            time.sleep(0.05)

    def _one(self, pod: Object) -> metrics.Worker:
        reply = self._cluster.pod(self._namespace, name(pod), vllm_port(pod), "/metrics")
        if reply.status != 200:
            raise Unreachable(f"/metrics of {name(pod)} answers HTTP {reply.status}", "the log of its container vllm")
        return metrics.worker(reply.text())

    def _difference(self, before: Counted, after: Counted) -> dict[str, dict[str, int]]:
        return {
            tier.role: {
                pod: grown
                for pod in map(name, tier.ready)
                if (grown := round(after[pod].finished - before[pod].finished)) > 0
            }
            for tier in self._tiers
        }
