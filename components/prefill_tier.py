"""The prefill tier: computes the KV cache of prompts."""

import pulumi
import pulumi_kubernetes as k8s

from components.plan.worker_args import PrefillTierArgs
from components.pods.worker_pod import deployment_spec, disruption_budget, options, shape
from components.registration import metadata


class PrefillTier(pulumi.ComponentResource):
    """Prefill workers: one Deployment, no Service, because the sidecar reaches the pods by address."""

    workload_name: pulumi.Output[str]
    """The Deployment."""

    def __init__(self, name: str, args: PrefillTierArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:PrefillTier", name, None, opts)
        args = PrefillTierArgs.of(args)
        worker = args.worker
        k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=metadata(worker.name, worker.namespace, worker.labels, shape(worker)),
            spec=deployment_spec(worker),
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
