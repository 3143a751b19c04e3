"""Alerts for what breaks P/D without an error: requests are answered, only not as they should be.

They need our own monitors and nothing else (no kube-state-metrics). Each has a section in docs/monitoring.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.config.vocabulary import Role
from components.monitoring.monitors import PICKER
from components.monitoring.queries import Series
from components.plan.platform_args import AlertArgs, MonitoringArgs

TREND = "10m"
"""What alerts take rates over: long enough that a single request decides nothing."""
DRIFT = {False: (0.05, "15m"), True: (0.99, "2h")}
"""Share of decode-only decisions and how long: with selective P/D short prompts are meant to skip prefill, and only
(nearly) all of them doing so for long is suspicious."""
RESTARTS = 3
"""Starts of one pod within half an hour, of which the first may be its own."""

RESTARTED = "15m"
"""How long one restart of a decode worker is reported: longer than it takes to serve again."""


@dataclass(frozen=True)
class Alert:
    """One alert; `summary` and `description` may name labels of the query's result."""

    name: str
    query: str
    lasting: str
    """How long the query must have held."""
    severity: str
    summary: str
    description: str
    """What happens meanwhile, and what to do."""


def alerts(args: MonitoringArgs, limits: AlertArgs) -> Iterator[Alert]:
    """All alerts of an install."""
    series = Series(args.namespace, args.pool)
    yield from _reachable(series, limits)
    yield from _disaggregated(series, args.decisions, limits)
    yield from _transferred(series, args.transfer_failures, limits)


def _reachable(series: Series, limits: AlertArgs) -> Iterator[Alert]:
    yield Alert(
        "LlmdPrefillPoolEmpty",
        f"{_answering(series, Role.PREFILL)} == 0 and {series.gauge('sum', 'up', role=Role.DECODE)} > 0",
        "5m",
        "critical",
        "No prefill worker answers, and decode workers do",
        "Every prompt is computed by the decode tier: answers come, slowly, and streams stall. Look at the prefill "
        "pods: Pending (GPUs, RDMA device), or starting over and over (`kubectl logs --previous`).",
    )
    yield Alert(
        "LlmdPickerDown",
        f"{_answering(series, PICKER)} == 0",
        "5m",
        "critical",
        "The endpoint picker does not answer",
        "With FailOpen the gateway sends requests to any worker and nothing is disaggregated; with FailClose it "
        "refuses them. Look at the picker's pod and its log; a 401 of its metrics is a missing token Secret.",
    )
    yield Alert(
        "LlmdWorkerDown",
        " or ".join(f"{series.gauge('max', 'up', 'role', 'pod', role=role)} == 0" for role in Role),
        f"{limits.startup + 300}s",
        "warning",
        "{{ $labels.role }} worker {{ $labels.pod }} has not answered for longer than a start takes",
        "The tier is short of a worker. It loads too slowly (startupBudget), hangs, or ends before it serves: "
        "`kubectl describe pod` and `kubectl logs --previous` say which.",
    )
    starts = series.of("process_start_time_seconds", "30m")
    yield Alert(
        "LlmdRestartLoop",
        f"max by (role, pod) (changes({starts})) >= {RESTARTS}",
        "0s",
        "warning",
        "{{ $labels.role }} {{ $labels.pod }} has started {{ $value }} times anew within half an hour",
        "Each restart loses the requests under way and the KV cache. `kubectl logs --previous` has the reason; out of "
        "memory shows in `kubectl describe pod`.",
    )
    started = series.of("process_start_time_seconds", RESTARTED, role=Role.DECODE)
    yield Alert(
        "LlmdDecodeRestarted",
        f"max by (role, pod) (changes({started})) > 0",
        "0s",
        "warning",
        "vLLM of decode worker {{ $labels.pod }} was restarted",
        "Its streams ended with errors. vLLM of releases 0.4 and 0.6 ends when a NIXL handshake fails, that of 0.6 "
        "also when a prefill worker is killed. `kubectl logs --previous` then has `handshake_failed`, `KeyError` or "
        "`Counters can only be incremented`. `python -m verify` names the cause and what to change.",
    )


def _disaggregated(series: Series, decisions: str, limits: AlertArgs) -> Iterator[Alert]:
    alone = series.rate(decisions, window=TREND, decision_type="decode-only")
    share, lasting = DRIFT[limits.selective]
    yield Alert(
        "LlmdDecodeOnlyDrift",
        f"{alone} / {series.rate(decisions, window=TREND)} > {share}",
        lasting,
        "warning",
        "{{ $value | humanizePercentage }} of the requests are decided decode-only",
        "The picker leaves prefill out: it knows no prefill worker (labels, readiness), or its decider says no. "
        "Compare serving.routing.selectivePd with the prompts, and the picker's log with verbosity 4.",
    )
    wanted = series.rate(decisions, window=TREND, decision_type="prefill-decode")
    done = series.rate("vllm:request_success_total", window=TREND, role=Role.PREFILL)
    yield Alert(
        "LlmdPrefillSkipped",
        f"({done} or vector(0)) < 0.9 * {wanted}",
        "15m",
        "warning",
        "Prefill workers finish fewer requests than the picker gives them",
        "The routing sidecars let decode workers compute prompts alone, because prefill workers refuse or fail. The "
        "logs of the decode pods' container routing-proxy name the worker and the status.",
    )
    failed, asked = "inference_objective_request_error_total", "inference_objective_request_total"
    yield Alert(
        "LlmdPickerErrors",
        f"{series.rate(failed, window=TREND)} / {series.rate(asked, window=TREND)} > 0.05",
        "10m",
        "warning",
        "{{ $value | humanizePercentage }} of the requests end in an error at the picker",
        "The metric's label error_code and the picker's log have the reason: no worker fits, a queue is full, or the "
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
        "Decode computes these prompts again, or the request fails. Look for NIXL and UCX errors in the worker's log. "
        "After a restart of prefill workers, decode workers may hold on to what is gone: restart those, too. If only "
        "`vllm:nixl_num_kv_expired_reqs_total` of a prefill worker grows, nothing failed: clients' requests that "
        "decode refuses, or with n > 1, leave blocks behind.",
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
            "not RDMA",
            "No metric names the transport; speed does. Set serving.ucx.protoInfo: true, and the worker's log shows "
            "what UCX chose; look at ibGidIndex, netDevices and IPC_LOCK. If that fabric is no faster, lower "
            "serving.monitoring.minTransferRate.",
        )


def _answering(series: Series, role: str) -> str:
    """How many targets of a role answer; 0 where there are none, and so no series."""
    return f"({series.gauge('sum', 'up', role=role)} or vector(0))"


def rule(args: MonitoringArgs, limits: AlertArgs) -> dict[str, Any]:
    """The PrometheusRule's spec."""
    ours = {"namespace": args.namespace, "pool": args.pool}
    rules = [
        {
            "alert": each.name,
            "expr": each.query,
            "for": each.lasting,
            "labels": {"severity": each.severity, **ours},
            "annotations": {
                "summary": f"{each.summary} ({args.namespace}/{args.postfix})",
                "description": each.description,
                "runbook_url": f"{limits.runbooks}/monitoring.md#{each.name.lower()}",
            },
        }
        for each in alerts(args, limits)
    ]
    return {"groups": [{"name": f"llm-d-{args.namespace}-{args.postfix}", "rules": rules}]}
