"""Alerts for failures of P/D without an error: requests are answered, but slowly or without prefill workers.

They need the monitors of the stack and nothing else (no kube-state-metrics). Each has a section in docs/monitoring.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.config.vocabulary import Role
from components.monitoring.monitors import PICKER
from components.monitoring.queries import Series
from components.plan.platform_args import AlertArgs, MonitoringArgs
from components.releases.metrics import Metrics

TREND = "10m"
"""Window of the rates: long enough that a single request fires no alert."""
DRIFT = {False: (0.05, "15m"), True: (0.99, "2h")}
"""Share of decode-only decisions and for how long, without and with selective P/D. With selective P/D short prompts
skip prefill, so the alert fires only if nearly all do."""
RESTARTS = 3
"""Changes of a pod's start time within 30 minutes. One of them may be the first start."""

RESTARTED = "15m"
"""How long one restart of a decode worker is reported: longer than it takes until the worker serves again."""


@dataclass(frozen=True)
class Alert:
    """One alert; `summary` and `description` may name labels of the query's result."""

    name: str
    query: str
    lasting: str
    """How long the query must hold before the alert fires."""
    severity: str
    summary: str
    description: str


def alerts(args: MonitoringArgs, limits: AlertArgs) -> Iterator[Alert]:
    """All alerts of an install."""
    series = Series(args.namespace, args.pool)
    yield from _reachable(series, limits)
    yield from _disaggregated(series, args.metrics, limits)
    yield from _transferred(series, args.metrics.transfer_failures, limits)


def _reachable(series: Series, limits: AlertArgs) -> Iterator[Alert]:
    yield Alert(
        "LlmdPrefillPoolEmpty",
        f"{_answering(series, Role.PREFILL)} == 0 and {series.gauge('sum', 'up', role=Role.DECODE)} > 0",
        "5m",
        "critical",
        "No prefill worker answers; decode workers do",
        "Decode workers compute all prompts, so answers are slow and streams stall. Look at the prefill pods: Pending "
        "(GPUs or RDMA devices are missing), or in a restart loop (`kubectl logs --previous`).",
    )
    yield Alert(
        "LlmdPickerDown",
        f"{_answering(series, PICKER)} == 0",
        "5m",
        "critical",
        "The endpoint picker does not answer",
        "With FailOpen the gateway sends requests to any worker, and no request is disaggregated. With FailClose the "
        "gateway refuses requests. Look at the EPP's pod and log. If Prometheus gets 401, its token Secret is missing.",
    )
    yield Alert(
        "LlmdWorkerDown",
        " or ".join(f"{series.gauge('max', 'up', 'role', 'pod', role=role)} == 0" for role in Role),
        f"{limits.startup + 300}s",
        "warning",
        "{{ $labels.role }} worker {{ $labels.pod }} does not answer, for longer than a start takes",
        "The tier has one worker less. The worker loads too slowly (startupBudget), hangs, or ends before it serves. "
        "`kubectl describe pod` and `kubectl logs --previous` show which.",
    )
    starts = series.of("process_start_time_seconds", "30m")
    yield Alert(
        "LlmdRestartLoop",
        f"max by (role, pod) (changes({starts})) >= {RESTARTS}",
        "0s",
        "warning",
        "{{ $labels.role }} {{ $labels.pod }} restarted {{ $value }} times within 30 minutes",
        "Each restart loses the running requests and the KV cache. `kubectl logs --previous` has the reason. "
        "`kubectl describe pod` shows if memory ran out.",
    )
    started = series.of("process_start_time_seconds", RESTARTED, role=Role.DECODE)
    yield Alert(
        "LlmdDecodeRestarted",
        f"max by (role, pod) (changes({started})) > 0",
        "0s",
        "warning",
        "vLLM of decode worker {{ $labels.pod }} was restarted",
        "Its streams ended with errors. vLLM of releases 0.4 and 0.6 ends if a NIXL handshake fails. vLLM of release "
        "0.6 also ends if a prefill worker is killed. `kubectl logs --previous` then has `handshake_failed`, "
        "`KeyError` or `Counters can only be incremented`. `python -m verify` names the cause and what to change.",
    )


def _disaggregated(series: Series, metrics: Metrics, limits: AlertArgs) -> Iterator[Alert]:
    decisions = metrics.decisions
    alone = series.rate(decisions, window=TREND, decision_type="decode-only")
    share, lasting = DRIFT[limits.selective]
    yield Alert(
        "LlmdDecodeOnlyDrift",
        f"{alone} / {series.rate(decisions, window=TREND)} > {share}",
        lasting,
        "warning",
        "The EPP chooses no prefill worker for {{ $value | humanizePercentage }} of the requests",
        "The EPP knows no prefill worker (labels, readiness), or its decider leaves prefill out. Compare "
        "serving.routing.selectivePd with the length of the prompts, and read the EPP's log with verbosity 4.",
    )
    wanted = series.rate(decisions, window=TREND, decision_type="prefill-decode")
    done = series.rate("vllm:request_success_total", window=TREND, role=Role.PREFILL)
    yield Alert(
        "LlmdPrefillSkipped",
        f"({done} or vector(0)) < 0.9 * {wanted}",
        "15m",
        "warning",
        "Prefill workers finish fewer requests than the EPP assigns to them",
        f"Prefill workers refuse or fail, so {limits.prefill_failure}. The logs of "
        "the container routing-proxy in the decode pods name the worker and the status.",
    )
    failed, asked = metrics.errors, metrics.requests
    yield Alert(
        "LlmdPickerErrors",
        f"{series.rate(failed, window=TREND)} / {series.rate(asked, window=TREND)} > 0.05",
        "10m",
        "warning",
        "{{ $value | humanizePercentage }} of the requests end with an error of the EPP",
        "The label error_code of the metric and the EPP's log have the reason: no worker fits, a queue is full, or the "
        "request names no model.",
    )


def _transferred(series: Series, failures: list[str], limits: AlertArgs) -> Iterator[Alert]:
    sums = (f"sum by (role, pod) (increase({series.of(each, TREND)})) > 0" for each in failures)
    yield Alert(
        "LlmdKvTransferFailures",
        " or ".join(sums),
        "0s",
        "warning",
        "KV transfers of {{ $labels.role }} worker {{ $labels.pod }} fail",
        "Decode workers compute these prompts again, or the requests fail. Look for NIXL and UCX errors in the "
        "worker's log. If prefill workers were restarted, restart the decode workers too: they may keep connections "
        "to the old ones. If only `vllm:nixl_num_kv_expired_reqs_total` of a prefill worker grows, no transfer "
        "failed: requests that decode refuses, or with n > 1, leave KV blocks on prefill workers.",
    )
    if limits.slow_transfer is not None:
        transferred = series.rate("vllm:nixl_bytes_transferred_sum", "role", "pod", window=TREND)
        spent = series.rate("vllm:nixl_xfer_time_seconds_sum", "role", "pod", window=TREND)
        yield Alert(
            "LlmdTcpFallback",
            f"{transferred} / {spent} < {limits.slow_transfer}",
            "15m",
            "warning",
            "KV transfers of {{ $labels.role }} worker {{ $labels.pod }} run at {{ $value | humanize }}B/s, which is "
            "too slow for RDMA",
            "UCX probably uses TCP. No metric names the transport. With serving.ucx.protoInfo: true the worker's log "
            "shows it. Check ibGidIndex, netDevices and IPC_LOCK. If the fabric is not faster, lower "
            "serving.monitoring.minTransferRate.",
        )


def _answering(series: Series, role: str) -> str:
    """How many targets of a role answer; 0 if there is no target and therefore no series."""
    return f"({series.gauge('sum', 'up', role=role)} or vector(0))"


def rule(args: MonitoringArgs, limits: AlertArgs) -> dict[str, Any]:
    """The PrometheusRule's spec."""
    labels = {"namespace": args.namespace, "pool": args.pool}
    rules = [
        {
            "alert": each.name,
            "expr": each.query,
            "for": each.lasting,
            "labels": {"severity": each.severity, **labels},
            "annotations": {
                "summary": f"{each.summary} ({args.namespace}/{args.postfix})",
                "description": each.description,
                "runbook_url": f"{limits.runbooks}/monitoring.md#{each.name.lower()}",
            },
        }
        for each in alerts(args, limits)
    ]
    return {"groups": [{"name": f"llm-d-{args.namespace}-{args.postfix}", "rules": rules}]}
