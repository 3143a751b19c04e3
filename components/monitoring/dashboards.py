"""The dashboards: what users feel (serving), and what makes it so (disaggregation)."""

from components.monitoring.panels import Dashboard, Line, Panel, Row, Unit
from components.monitoring.queries import Series
from components.plan.platform_args import MonitoringArgs

QUANTILES = {"half": 0.5, "90 %": 0.9, "99 %": 0.99}
"""What a user feels is not the mean."""


def dashboards(args: MonitoringArgs) -> tuple[Dashboard, ...]:
    """All dashboards of an install."""
    series = Series(args.namespace, args.pool)
    return serving(series), disaggregation(series, args.decisions, args.transfer_failures)


def serving(series: Series) -> Dashboard:
    """Latency, throughput, and how full the tiers are."""
    return Dashboard(
        "serving",
        "llm-d P/D: serving",
        "What clients feel, and how full the tiers are.",
        (
            Row(
                "Latency",
                (
                    Panel(
                        "Time to first token, decode",
                        "From the arrival at the decode worker: waiting, KV transfer, first token. What a client feels "
                        "is the prefill leg before it, too.",
                        Unit.SECONDS,
                        _quantiles(series, "vllm:time_to_first_token_seconds", role="decode"),
                    ),
                    Panel(
                        "Prefill leg",
                        "The whole request to the prefill worker: waiting and computing the prompt.",
                        Unit.SECONDS,
                        _quantiles(series, "vllm:e2e_request_latency_seconds", role="prefill"),
                    ),
                    Panel(
                        "Inter-token latency",
                        "Between two tokens of a stream. It stays flat under load when prefill is elsewhere.",
                        Unit.SECONDS,
                        _quantiles(series, "vllm:inter_token_latency_seconds", role="decode"),
                    ),
                    Panel(
                        "Whole request",
                        "From the gateway's question to the last byte, by the picker.",
                        Unit.SECONDS,
                        _quantiles(series, "inference_objective_request_duration_seconds"),
                    ),
                ),
            ),
            Row(
                "Throughput",
                (
                    Panel(
                        "Legs finished",
                        "Requests that workers finished. Every disaggregated request has a prefill and a decode leg.",
                        Unit.PER_SECOND,
                        (Line("{{role}}", series.rate("vllm:request_success_total", "role")),),
                    ),
                    Panel(
                        "Tokens",
                        "Prompt tokens of the prefill tier, generated tokens of the decode tier.",
                        Unit.PER_SECOND,
                        (
                            Line("prompt", series.rate("vllm:prompt_tokens_total", role="prefill")),
                            Line("generated", series.rate("vllm:generation_tokens_total", role="decode")),
                        ),
                    ),
                ),
            ),
            Row(
                "Tiers",
                (
                    Panel(
                        "Requests running and waiting",
                        "Waiting at prefill: more prefill workers. Waiting at decode: its KV cache is full.",
                        Unit.NUMBER,
                        (
                            Line("{{role}} running", series.gauge("sum", "vllm:num_requests_running", "role")),
                            Line("{{role}} waiting", series.gauge("sum", "vllm:num_requests_waiting", "role")),
                        ),
                    ),
                    Panel(
                        "KV cache in use",
                        "Mean and fullest worker of each tier. At 100 % requests wait or are computed again.",
                        Unit.SHARE,
                        (
                            Line("{{role}} mean", series.gauge("avg", "vllm:kv_cache_usage_perc", "role")),
                            Line("{{role}} fullest", series.gauge("max", "vllm:kv_cache_usage_perc", "role")),
                        ),
                    ),
                    Panel(
                        "Workers that answer",
                        "By tier, as Prometheus reaches them, and all that the picker knows.",
                        Unit.NUMBER,
                        (
                            Line("{{role}}", series.gauge("sum", "up", "role")),
                            Line("known to the picker", series.gauge("max", "inference_pool_ready_pods")),
                        ),
                    ),
                    Panel(
                        "Queue of each worker",
                        "As the picker sees it when it chooses.",
                        Unit.NUMBER,
                        (
                            Line(
                                "{{model_server_pod}}",
                                series.gauge("max", "inference_pool_per_pod_queue_size", "model_server_pod"),
                            ),
                        ),
                    ),
                ),
            ),
        ),
    )


def disaggregation(series: Series, decisions: str, failures: list[str]) -> Dashboard:
    """Decisions, KV transfer, and the picker."""
    share = f"{series.rate(decisions, decision_type='prefill-decode')} / {series.rate(decisions)}"
    transferred, spent = "vllm:nixl_bytes_transferred", "vllm:nixl_xfer_time_seconds"
    errors = series.rate("inference_objective_request_error_total")
    return Dashboard(
        "disaggregation",
        "llm-d P/D: disaggregation",
        "Whether requests are disaggregated, and how their KV blocks travel.",
        (
            Row(
                "Decisions",
                (
                    Panel(
                        "P/D decisions",
                        "What the picker decided: with a prefill worker, or without one.",
                        Unit.PER_SECOND,
                        (Line("{{decision_type}}", series.rate(decisions, "decision_type")),),
                    ),
                    Panel(
                        "Share disaggregated",
                        "Of the picker's decisions; and prefill legs for each decode leg, as workers finished them. "
                        "Where the second is lower, sidecars skip prefill.",
                        Unit.SHARE,
                        (
                            Line("decided", share),
                            Line(
                                "done",
                                f"{series.rate('vllm:request_success_total', role='prefill')} / "
                                f"{series.rate('vllm:request_success_total', role='decode')}",
                            ),
                        ),
                    ),
                ),
            ),
            Row(
                "KV transfer",
                (
                    Panel(
                        "Time of a transfer",
                        "One transfer of one GPU's share of a prompt.",
                        Unit.SECONDS,
                        _quantiles(series, spent),
                    ),
                    Panel(
                        "Size of a transfer",
                        "Half of the transfers and most of them are no larger.",
                        Unit.BYTES,
                        _quantiles(series, transferred),
                    ),
                    Panel(
                        "Bytes transferred",
                        "By the decode worker that fetches them.",
                        Unit.BYTES_PER_SECOND,
                        (Line("{{pod}}", series.rate(f"{transferred}_sum", "pod")),),
                    ),
                    Panel(
                        "Speed within a transfer",
                        "Bytes for each second that a transfer was under way. A fall to a fraction is TCP in place of "
                        "RDMA.",
                        Unit.BYTES_PER_SECOND,
                        (
                            Line(
                                "{{pod}}",
                                f"{series.rate(f'{transferred}_sum', 'pod')} / {series.rate(f'{spent}_sum', 'pod')}",
                            ),
                        ),
                    ),
                    Panel(
                        "Transfers gone wrong",
                        "Anything above zero costs requests their prefill, or themselves.",
                        Unit.PER_SECOND,
                        tuple(Line(f"{_short(each)} {{{{pod}}}}", series.rate(each, "pod")) for each in failures),
                    ),
                ),
            ),
            Row(
                "Picker",
                (
                    Panel(
                        "Time of a decision",
                        "It is part of every request.",
                        Unit.SECONDS,
                        _quantiles(series, "inference_extension_scheduler_e2e_duration_seconds"),
                    ),
                    Panel(
                        "Requests and errors",
                        "Requests that the picker saw, and those that it failed or refused.",
                        Unit.PER_SECOND,
                        (
                            Line("requests", series.rate("inference_objective_request_total")),
                            Line("errors", f"{errors} or vector(0)"),
                        ),
                    ),
                ),
            ),
        ),
    )


def _quantiles(series: Series, histogram: str, **labels: str) -> tuple[Line, ...]:
    return tuple(Line(legend, series.quantile(share, histogram, **labels)) for legend, share in QUANTILES.items())


def _short(counter: str) -> str:
    """`failed transfers` of `vllm:nixl_num_failed_transfers_total`."""
    return counter.removeprefix("vllm:nixl_num_").removesuffix("_total").replace("_", " ")
