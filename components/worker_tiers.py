"""The two worker tiers: prefill computes the KV cache of prompts, decode generates the tokens from it."""

from collections.abc import Sequence

import pulumi

from components.manifests import Manifest
from components.plan.worker_args import DecodeTierArgs, PrefillTierArgs
from components.pods import sidecar, worker_pod
from components.registration import declare


class _Tier(pulumi.ComponentResource):
    workload_name: pulumi.Output[str]

    def _declare(self, name: str, args: PrefillTierArgs | DecodeTierArgs, after: Sequence[pulumi.Resource]) -> None:
        child, special = pulumi.ResourceOptions(parent=self), worker_pod.options(args.worker, after)
        self.deployment = declare(name, objects(args), child, {worker_pod.DEPLOYMENT: special})[worker_pod.DEPLOYMENT]
        self.workload_name = pulumi.Output.from_input(args.worker.name)
        self.register_outputs({"workloadName": self.workload_name})


class PrefillTier(_Tier):
    """Prefill workers: one Deployment, no Service, because the sidecar reaches the pods by address."""

    def __init__(
        self,
        name: str,
        args: PrefillTierArgs,
        opts: pulumi.ResourceOptions | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        super().__init__("llm-d-pd:index:PrefillTier", name, None, opts)
        self._declare(name, PrefillTierArgs.of(args), after)


class DecodeTier(_Tier):
    """Decode workers, each behind a routing sidecar: one Deployment, no Service, as the gateway has their addresses."""

    def __init__(
        self,
        name: str,
        args: DecodeTierArgs,
        opts: pulumi.ResourceOptions | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        super().__init__("llm-d-pd:index:DecodeTier", name, None, opts)
        self._declare(name, DecodeTierArgs.of(args), after)


def objects(args: PrefillTierArgs | DecodeTierArgs) -> list[Manifest]:
    """Deployment and PodDisruptionBudget."""
    if isinstance(args, PrefillTierArgs):
        return worker_pod.objects(args.worker)
    return worker_pod.objects(args.worker, [sidecar.container(args.sidecar, on_host=args.worker.host_network)])
