"""The component: monitors, dashboards and alerts of one stack."""

import pulumi
import pulumi_kubernetes as k8s

from components.monitoring import alerts, grafana, monitors
from components.monitoring.dashboards import dashboards
from components.names import Names
from components.plan.platform_args import AlertArgs, MonitoringArgs
from components.registration import CustomObject, metadata

MONITORING = "monitoring.coreos.com/v1"


class Monitoring(pulumi.ComponentResource):
    """A PodMonitor per tier, a ServiceMonitor for the picker, Grafana dashboards, a PrometheusRule."""

    monitors: pulumi.Output[list[str]]
    """Names of the monitors."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:Monitoring", name, None, opts)
        args = MonitoringArgs.of(args)
        child = pulumi.ResourceOptions(parent=self)
        for role, tier in args.tiers.items():
            CustomObject(
                f"{name}-{role}",
                api_version=MONITORING,
                kind="PodMonitor",
                meta=metadata(tier.name, args.namespace, {**args.labels, "app.kubernetes.io/component": role}),
                spec=monitors.worker_spec(args, role, tier),
                opts=child,
            )
        CustomObject(
            f"{name}-picker",
            api_version=MONITORING,
            kind="ServiceMonitor",
            meta=metadata(args.picker_monitor, args.namespace, args.labels),
            spec=monitors.picker_spec(args),
            opts=child,
        )
        if args.dashboards:
            _dashboards(name, args, child)
        if args.alerts:
            _alerts(name, args, args.alerts, child)
        self.monitors = pulumi.Output.from_input([*(tier.name for tier in args.tiers.values()), args.picker_monitor])
        self.register_outputs({"monitors": self.monitors})


def _dashboards(name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions) -> None:
    names = Names(args.postfix, args.namespace)
    for each in dashboards(args):
        # The sidecar writes all into one folder: the key is a file's name there, whatever the ConfigMap's.
        file = f"{args.namespace}-{args.postfix}-{each.word}.json"
        k8s.core.v1.ConfigMap(
            f"{name}-dashboard-{each.word}",
            metadata=metadata(names.dashboard(each.word), args.namespace, {**args.labels, **grafana.LABEL}),
            data={file: grafana.text(each, args.namespace, args.postfix)},
            opts=opts,
        )


def _alerts(name: str, args: MonitoringArgs, limits: AlertArgs, opts: pulumi.ResourceOptions) -> None:
    CustomObject(
        f"{name}-alerts",
        api_version=MONITORING,
        kind="PrometheusRule",
        meta=metadata(Names(args.postfix, args.namespace).alerts, args.namespace, args.labels),
        spec=alerts.rule(args, limits),
        opts=opts,
    )
