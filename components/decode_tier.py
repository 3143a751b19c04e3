"""The decode tier: generates the tokens, from KV caches that the prefill tier computed."""

from collections.abc import Sequence

import pulumi

from components.manifests import Manifest
from components.plan.worker_args import DecodeTierArgs
from components.pods import sidecar, worker_pod
from components.registration import declare_all


class DecodeTier(pulumi.ComponentResource):
    """Decode workers, each behind a routing sidecar: one Deployment, no Service, as the gateway has their addresses."""

    workload_name: pulumi.Output[str]
    """The Deployment."""

    def __init__(
        self,
        name: str,
        args: DecodeTierArgs,
        opts: pulumi.ResourceOptions | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        super().__init__("llm-d-pd:index:DecodeTier", name, None, opts)
        args = DecodeTierArgs.of(args)
        child = pulumi.ResourceOptions(parent=self)
        made = declare_all(name, objects(args), child, {worker_pod.DEPLOYMENT: worker_pod.options(args.worker, after)})
        self.deployment = made[worker_pod.DEPLOYMENT]
        self.workload_name = pulumi.Output.from_input(args.worker.name)
        self.register_outputs({"workloadName": self.workload_name})


def objects(args: DecodeTierArgs) -> list[Manifest]:
    """Deployment and PodDisruptionBudget."""
    worker = args.worker
    return worker_pod.objects(worker, [sidecar.container(args.sidecar, on_host=worker.host_network)])
