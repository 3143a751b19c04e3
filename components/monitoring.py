"""Monitoring: how Prometheus finds workers and picker."""

import pulumi

from components.names import VLLM_PORT_NAME
from components.objects import CustomObject, metadata
from components.plan.platform_args import MonitoringArgs

MONITORING = "monitoring.coreos.com/v1"


class Monitoring(pulumi.ComponentResource):
    """A PodMonitor per tier, a ServiceMonitor for the picker."""

    monitors: pulumi.Output[list[str]]
    """Names of the monitors."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:Monitoring", name, None, opts)
        args = MonitoringArgs.of(args)
        ours = pulumi.ResourceOptions(parent=self)
        for role, tier in args.tiers.items():
            CustomObject(
                f"{name}-{role}",
                api_version=MONITORING,
                kind="PodMonitor",
                meta=metadata(tier.name, args.namespace, {**args.labels, "app.kubernetes.io/component": role}),
                spec={
                    "selector": {"matchLabels": tier.selector},
                    "podMetricsEndpoints": [
                        {"port": VLLM_PORT_NAME, "path": "/metrics", "interval": args.worker_interval}
                    ],
                },
                opts=ours,
            )
        CustomObject(
            f"{name}-picker",
            api_version=MONITORING,
            kind="ServiceMonitor",
            meta=metadata(args.picker_monitor, args.namespace, args.labels),
            spec=_picker(args),
            opts=ours,
        )
        self.monitors = pulumi.Output.from_input([*(tier.name for tier in args.tiers.values()), args.picker_monitor])
        self.register_outputs({"monitors": self.monitors})


def _picker(args: MonitoringArgs) -> dict[str, object]:
    """The picker's metrics want a token."""
    credentials = {"name": args.metrics_secret, "key": "token"}
    return {
        "jobLabel": "app.kubernetes.io/name",
        "namespaceSelector": {"matchNames": [args.namespace]},
        "selector": {"matchLabels": args.picker_selector},
        "endpoints": [
            {
                "port": "http-metrics",
                "path": "/metrics",
                "interval": args.picker_interval,
                "authorization": {"credentials": credentials},
            }
        ],
    }
