"""`--load`: a bounded load on the stack and on one worker of each tier alone.

A prefill worker alone gets prompts for answers of one token, more than it computes at a time: P. A decode worker alone
gets prompts that share all but their end, which it has cached after the first, so that its steps read as much cache as
in the stack and compute no prompts: D. Then the stack gets the stated load.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verify import bench, metrics
from verify.bench import Run
from verify.cluster import Cluster, Object
from verify.finding import VerifyError
from verify.metrics import Histogram
from verify.outputs import Outputs
from verify.pods import name
from verify.routing import Endpoint
from verify.steps import Verification
from verify.tiers import Tier, vllm_port

PREFILL, STACK = "prefill", "stack"
QUEUE = 4
"""Prompts at a time of a prefill worker alone."""
END = 16
"""Tokens at the end of a decode worker's prompts that differ."""
STEPS = (1, 2, 4)
"""Multiples of the streams that a decode worker is tried with, where a target for the time per token is stated."""
MOST = 200
SECONDS = 1200
"""Seconds until the Job is ended."""
BYTES, TIME = "vllm:nixl_bytes_transferred", "vllm:nixl_xfer_time_seconds"


@dataclass(frozen=True)
class Load:
    """What is sent."""

    input_tokens: int
    output_tokens: int
    concurrency: int
    rate: float | None = None
    """Requests per second; None: `concurrency` clients, each with its next request after the answer."""
    itl: float | None = None
    """Milliseconds per token at most."""

    @classmethod
    def of(cls, stated: Mapping[str, Any], tokens: tuple[int | None, int | None], concurrency: int | None) -> "Load":
        """From the stack output `load`, and from the command line, which wins. Raises `VerifyError`."""
        lengths: list[Any] = [
            given or stated.get(key) for given, key in zip(tokens, ("inputTokens", "outputTokens"), strict=True)
        ]
        if not all(lengths):
            raise VerifyError(
                "--load needs the length of prompts and answers: set serving.load.inputTokens and outputTokens and "
                "run `pulumi up`, or give --input-tokens and --output-tokens"
            )
        rate = None if concurrency else stated.get("requestsPerSecond")
        streams = concurrency or stated.get("concurrency")
        if rate and not streams:  # Little's law, with the target or 50 ms a token
            streams = max(1, round(float(rate) * lengths[1] * float(stated.get("itl") or 50) / 1000))
        itl = stated.get("itl")
        return cls(
            int(lengths[0]),
            int(lengths[1]),
            int(streams or 8),
            float(rate) if rate else None,
            float(itl) if itl else None,
        )


@dataclass(frozen=True)
class Measured:
    """What came out."""

    load: Load
    stack: Mapping[str, Any]
    prefill: float | None
    """Tokens per second of one prefill worker; None: it could not be measured."""
    decode: Mapping[str, Any] | None
    """Result of the run that gives D."""
    bytes: Histogram
    seconds: Histogram


def measure(done: Verification, load: Load, say: Callable[[str], None]) -> Measured:
    """Send the load to a stack that was verified. Raises `VerifyError`, `Unreachable`."""
    cluster, outputs, tiers, endpoint = done.cluster, done.outputs, done.tiers, done.endpoint
    if endpoint is None or not all(tier.ready for tier in tiers.values()):
        raise VerifyError("--load needs a gateway and a Ready worker of each tier: see the steps above")
    deployment = f"/apis/apps/v1/namespaces/{outputs.namespace}/deployments/{tiers['decode'].declared.name}"
    template = cluster.get(deployment)["spec"]["template"]
    runs = [*_alone(tiers, load), _whole(endpoint, load)]
    before = _transfers(cluster, outputs, tiers["decode"])
    found = bench.run(cluster, bench.job(template, outputs.namespace, runs, outputs.model, SECONDS), say)
    after = _transfers(cluster, outputs, tiers["decode"])
    if STACK not in found:
        raise VerifyError("the load generator measured workers alone, but not the stack: does the gateway answer pods?")
    prefill = found.get(PREFILL)
    return Measured(
        load,
        found[STACK],
        prefill["total_input_tokens"] / prefill["duration"] if prefill else None,
        _within([found[run.label] for run in runs if run.label in found and run.prefix], load.itl),
        after[0].since(before[0]),
        after[1].since(before[1]),
    )


def _alone(tiers: Mapping[str, Tier], load: Load) -> list[Run]:
    at = {role: _address(tier.ready[0]) for role, tier in tiers.items()}
    streams = max(1, round(load.concurrency / max(1, len(tiers["decode"].ready))))
    end = min(END, load.input_tokens)
    return [
        Run(PREFILL, at["prefill"], load.input_tokens, 1, 4 * QUEUE, QUEUE),
        *(
            Run(
                f"decode{step}",
                at["decode"],
                end,
                load.output_tokens,
                2 * step * streams,
                step * streams,
                prefix=max(1, load.input_tokens - end),
            )
            for step in (STEPS if load.itl else STEPS[:1])
        ),
    ]


def _whole(endpoint: Endpoint, load: Load) -> Run:
    host = f"{endpoint.service}.{endpoint.proxies.namespace}.svc" if endpoint.service else endpoint.address
    url = f"{endpoint.scheme}://{host}:{endpoint.port}{endpoint.path}"
    requests = round(60 * load.rate) if load.rate else 4 * load.concurrency
    return Run(
        STACK,
        url,
        load.input_tokens,
        load.output_tokens,
        min(MOST, max(8, requests)),
        None if load.rate else load.concurrency,
        load.rate,
        headers=endpoint.headers,
    )


def _address(pod: Object) -> str:
    address = str(pod["status"]["podIP"])
    return f"http://{f'[{address}]' if ':' in address else address}:{vllm_port(pod)}"


def _within(found: Sequence[Mapping[str, Any]], itl: float | None) -> Mapping[str, Any] | None:
    """The fastest run within the target, else the one with the shortest time per token."""
    within = [each for each in found if itl is None or each["p50_tpot_ms"] <= itl]
    if within:
        return max(within, key=lambda each: float(each["output_throughput"]))
    return min(found, key=lambda each: float(each["p50_tpot_ms"]), default=None)


def _transfers(cluster: Cluster, outputs: Outputs, decode: Tier) -> tuple[Histogram, Histogram]:
    texts = [cluster.pod(outputs.namespace, name(pod), vllm_port(pod), "/metrics").text() for pod in decode.ready]
    samples = [sample for text in texts for sample in metrics.parse(text)]
    return Histogram.of(samples, BYTES), Histogram.of(samples, TIME)
