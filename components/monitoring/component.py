"""The component: monitors, dashboards and alerts of one stack."""

import pulumi

from components.manifests import Manifest
from components.monitoring import alerts, grafana, monitors
from components.monitoring.dashboards import dashboards
from components.monitoring.panels import Dashboard
from components.names import Names
from components.plan.platform_args import MonitoringArgs
from components.registration import declare

MONITORING = "monitoring.coreos.com/v1"


class Monitoring(pulumi.ComponentResource):
    """A PodMonitor per tier, a ServiceMonitor for the picker, Grafana dashboards, a PrometheusRule."""

    monitors: pulumi.Output[list[str]]

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:Monitoring", name, None, opts)
        args = MonitoringArgs.of(args)
        declare(name, objects(args), pulumi.ResourceOptions(parent=self))
        self.monitors = pulumi.Output.from_input([*(tier.name for tier in args.tiers.values()), args.picker_monitor])
        self.register_outputs({"monitors": self.monitors})


def objects(args: MonitoringArgs) -> list[Manifest]:
    """Monitors, dashboards and alerts."""
    within, names = (args.namespace, args.labels), Names(args.postfix, args.namespace)
    labels = args.generation_labels
    made = [
        Manifest(
            role,
            MONITORING,
            "PodMonitor",
            tier.name,
            args.namespace,
            {**labels, "app.kubernetes.io/component": role},
            {"spec": monitors.worker_spec(args, role, tier)},
            generation=args.generation,
        )
        for role, tier in args.tiers.items()
    ]
    picker = (args.picker_monitor, args.namespace, labels, {"spec": monitors.picker_spec(args)})
    made.append(Manifest("picker", MONITORING, "ServiceMonitor", *picker, generation=args.generation))
    if args.dashboards:
        made += [_dashboard(args, names, each) for each in dashboards(args)]
    if args.alerts:
        rule = {"spec": alerts.rule(args, args.alerts)}
        made.append(Manifest("alerts", MONITORING, "PrometheusRule", names.alerts, *within, rule))
    return made


def _dashboard(args: MonitoringArgs, names: Names, each: Dashboard) -> Manifest:
    # The sidecar writes all into one folder: the key is a file's name there, whatever the ConfigMap's.
    file = f"{args.namespace}-{args.postfix}-{each.word}.json"
    return Manifest(
        f"dashboard-{each.word}",
        "v1",
        "ConfigMap",
        names.dashboard(each.word),
        args.namespace,
        {**args.labels, **grafana.LABEL},
        {"data": {file: grafana.text(each, args.namespace, args.postfix)}},
    )
