"""The decode tier: generates the tokens, from KV caches that the prefill tier computed."""

import pulumi
import pulumi_kubernetes as k8s

from components.plan.worker_args import DecodeTierArgs
from components.pods import sidecar
from components.pods.worker_pod import deployment_spec, disruption_budget, options, shape
from components.registration import metadata


class DecodeTier(pulumi.ComponentResource):
    """Decode workers, each behind a routing sidecar: one Deployment, no Service, as the gateway has their addresses."""

    workload_name: pulumi.Output[str]
    """The Deployment."""

    def __init__(self, name: str, args: DecodeTierArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:DecodeTier", name, None, opts)
        args = DecodeTierArgs.of(args)
        worker = args.worker
        k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=metadata(worker.name, worker.namespace, worker.labels, shape(worker)),
            spec=deployment_spec(worker, [sidecar.container(args.sidecar, on_host=worker.host_network)]),
            opts=options(worker, self),
        )
        k8s.policy.v1.PodDisruptionBudget(
            f"{name}-disruption-budget",
            metadata=metadata(worker.name, worker.namespace, worker.labels),
            spec=disruption_budget(worker),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.workload_name = pulumi.Output.from_input(worker.name)
        self.register_outputs({"workloadName": self.workload_name})
