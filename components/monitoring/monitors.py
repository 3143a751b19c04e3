"""How Prometheus finds workers and picker, and what it writes on their series.

The operator's own labels name pod and namespace; no label names the install and the tier.
A dashboard over two installs would add up their series.
"""

from typing import Any

from components.names import VLLM_PORT_NAME
from components.plan.platform_args import MonitoringArgs, TierMonitorArgs

PICKER = "picker"
"""The picker's role, beside the tiers'."""


def worker_spec(args: MonitoringArgs, role: str, tier: TierMonitorArgs) -> dict[str, Any]:
    """PodMonitor of a tier; vLLM's own port, past the sidecar."""
    return {
        "selector": {"matchLabels": tier.selector},
        "podMetricsEndpoints": [
            {
                "port": VLLM_PORT_NAME,
                "path": "/metrics",
                "interval": args.worker_interval,
                "relabelings": _labels(args, role),
            }
        ],
    }


def picker_spec(args: MonitoringArgs) -> dict[str, Any]:
    """ServiceMonitor of the picker; its metrics need a token."""
    return {
        "jobLabel": "app.kubernetes.io/name",
        "namespaceSelector": {"matchNames": [args.namespace]},
        "selector": {"matchLabels": args.picker_selector},
        "endpoints": [
            {
                "port": "http-metrics",
                "path": "/metrics",
                "interval": args.picker_interval,
                "authorization": {"credentials": {"name": args.metrics_secret, "key": "token"}},
                "relabelings": _labels(args, PICKER),
            }
        ],
    }


def _labels(args: MonitoringArgs, role: str) -> list[dict[str, Any]]:
    word = {"action": "replace", "replacement": args.generation, "targetLabel": "generation"}
    return [
        {"action": "replace", "sourceLabels": ["__meta_kubernetes_namespace"], "targetLabel": "namespace"},
        {"action": "replace", "replacement": args.pool, "targetLabel": "pool"},
        {"action": "replace", "replacement": role, "targetLabel": "role"},
        *([word] if args.generation else []),
    ]
