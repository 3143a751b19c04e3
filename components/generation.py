"""A generation: both worker tiers with their pool and their endpoint picker."""

from collections.abc import Sequence

import pulumi

from components.endpoint_picker import EndpointPicker
from components.inference_pool import InferencePool
from components.names import suffix
from components.plan import ServingPlan
from components.worker_tiers import DecodeTier, PrefillTier


class Generation:
    """Makes the generation of a plan: pool and endpoint picker, then the workers.

    The workers depend on all objects of the endpoint picker, so that these are deleted after the workers: without its
    RoleBinding an endpoint picker with replicas loses its Lease and ends.
    """

    def __init__(self, plan: ServingPlan, opts: pulumi.ResourceOptions) -> None:
        self.plan, self.opts = plan, opts
        self.tiers: list[PrefillTier | DecodeTier] = []

    def declare(self, connected: Sequence[pulumi.Resource]) -> Sequence[pulumi.Resource]:
        """Register everything; `connected` are objects of the gateway that workers must not be without."""
        plan, own = self.plan, suffix(self.plan.generation)
        pool = InferencePool(f"inference-pool{own}", plan.pool, self.opts)
        picker = EndpointPicker(f"endpoint-picker{own}", plan.picker, self.opts)
        after = [pool, picker, *connected]
        self.tiers = [
            PrefillTier(f"prefill{own}", plan.prefill, self.opts, after),
            DecodeTier(f"decode{own}", plan.decode, self.opts, after),
        ]
        return self.tiers
