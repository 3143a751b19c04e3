"""Metrics of vLLM and of its simulator, in Prometheus' text format."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Sample:
    """One line: a series and its value."""

    name: str
    labels: dict[str, str]
    value: float


def parse(text: str) -> Iterator[Sample]:
    """Yield the samples of a /metrics answer; skip all other lines."""
    for line in text.splitlines():
        match = _SAMPLE.fullmatch(line.strip())
        if match is None:
            continue
        name, labels, value = match.groups()
        try:
            number = float(value)
        except ValueError:
            continue
        yield Sample(name, {key: _plain(raw) for key, raw in _LABEL.findall(labels or "")}, number)


def _plain(raw: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], raw)


@dataclass(frozen=True)
class Worker:
    """One vLLM: its gauges now, and its counters since its start. None = not exported."""

    finished: float
    """Requests finished, whatever the reason: a prefill leg ends as `length` (vLLM) or `remote_decode` (simulator)."""
    prompt_tokens: float
    running: float
    waiting: float
    cache_use: float
    """Share of the KV cache in use, 0 to 1."""
    transfers: float | None
    transferred: float | None
    """Bytes."""
    transfer_seconds: float | None
    descriptors: float | None
    """Pieces of memory that NIXL read."""
    failures: float | None
    """Failed transfers and notifications. Expired blocks do not count: refused decode requests cause them, too."""

    external: float | None = None
    """Prompt tokens with a KV cache from another worker."""
    computed: float | None = None
    """Prompt tokens that the worker computed itself; vLLM 0.17 and newer."""

    @property
    def has_nixl(self) -> bool:
        return self.transfers is not None or self.failures is not None


def worker(text: str) -> Worker:
    """Read a worker's /metrics. vLLM counts per engine, so every figure is the sum over its label sets."""
    samples = list(parse(text))
    failures = [
        _sum(samples, f"vllm:nixl_num_{what}", f"vllm:nixl_num_{what}_total")
        for what in ("failed_transfers", "failed_notifications")
    ]
    known = [count for count in failures if count is not None]
    return Worker(
        finished=_sum(samples, "vllm:request_success_total") or 0,
        prompt_tokens=_sum(samples, "vllm:prompt_tokens_total") or 0,
        running=_sum(samples, "vllm:num_requests_running") or 0,
        waiting=_sum(samples, "vllm:num_requests_waiting") or 0,
        cache_use=max((one.value for one in samples if one.name == "vllm:kv_cache_usage_perc"), default=0.0),
        transfers=_sum(samples, "vllm:nixl_bytes_transferred_count"),
        transferred=_sum(samples, "vllm:nixl_bytes_transferred_sum"),
        transfer_seconds=_sum(samples, "vllm:nixl_xfer_time_seconds_sum"),
        descriptors=_sum(samples, "vllm:nixl_num_descriptors_sum"),
        failures=sum(known) if known else None,
        external=_source(samples, "external_kv_transfer") or _sum(samples, "vllm:external_prefix_cache_hits_total"),
        computed=_source(samples, "local_compute"),
    )


def _sum(samples: Iterable[Sample], *names: str) -> float | None:
    """Sum the first existing series of `names` over its labels; versions spell counters differently."""
    for name in names:
        values = [sample.value for sample in samples if sample.name == name]
        if values:
            return sum(values)
    return None


def _source(samples: Iterable[Sample], source: str) -> float | None:
    """Sum the prompt tokens of one source (vllm/v1/metrics/stats.py, PromptTokenStats, vLLM 0.17.1)."""
    return _sum([one for one in samples if one.labels.get("source") == source], "vllm:prompt_tokens_by_source_total")


@dataclass(frozen=True)
class Histogram:
    """A histogram of Prometheus, summed over its label sets."""

    buckets: Mapping[float, float]
    """Observations up to each bound."""
    count: float
    total: float

    @classmethod
    def of(cls, samples: Iterable[Sample], name: str) -> "Histogram":
        """The histogram of a name; empty if there is none."""
        buckets: dict[float, float] = {}
        sums = {"_count": 0.0, "_sum": 0.0}
        for each in samples:
            if each.name == f"{name}_bucket":
                bound = float(each.labels["le"])
                buckets[bound] = buckets.get(bound, 0) + each.value
            elif each.name.removeprefix(name) in sums:
                sums[each.name.removeprefix(name)] += each.value
        return cls(buckets, sums["_count"], sums["_sum"])

    def since(self, before: "Histogram") -> "Histogram":
        """What was observed after `before`."""
        grown = {bound: count - before.buckets.get(bound, 0) for bound, count in self.buckets.items()}
        return Histogram(grown, self.count - before.count, self.total - before.total)

    def quantile(self, share: float) -> float:
        """The value below which a share of the observations lies, by the straight line within its bucket, as
        `histogram_quantile` of Prometheus."""
        wanted, low, below = share * self.count, 0.0, 0.0
        for bound, count in sorted(self.buckets.items()):
            if count >= wanted:
                return (
                    low if bound == float("inf") else low + (bound - low) * (wanted - below) / max(count - below, 1e-9)
                )
            low, below = bound, count
        return low
