"""The prefill tier: computes the KV cache of prompts."""

from collections.abc import Sequence

import pulumi

from components.manifests import Manifest
from components.plan.worker_args import PrefillTierArgs
from components.pods import worker_pod
from components.registration import declare_all


class PrefillTier(pulumi.ComponentResource):
    """Prefill workers: one Deployment, no Service, because the sidecar reaches the pods by address."""

    workload_name: pulumi.Output[str]
    """The Deployment."""

    def __init__(
        self,
        name: str,
        args: PrefillTierArgs,
        opts: pulumi.ResourceOptions | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        super().__init__("llm-d-pd:index:PrefillTier", name, None, opts)
        args = PrefillTierArgs.of(args)
        child = pulumi.ResourceOptions(parent=self)
        made = declare_all(name, objects(args), child, {worker_pod.DEPLOYMENT: worker_pod.options(args.worker, after)})
        self.deployment = made[worker_pod.DEPLOYMENT]
        self.workload_name = pulumi.Output.from_input(args.worker.name)
        self.register_outputs({"workloadName": self.workload_name})


def objects(args: PrefillTierArgs) -> list[Manifest]:
    """Deployment and PodDisruptionBudget."""
    return worker_pod.objects(args.worker)
