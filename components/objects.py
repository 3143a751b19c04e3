"""Every object that one `pulumi up` declares, as data: the components register these."""

from collections.abc import Mapping, Sequence

from components import endpoint_picker, gateways, inference_pool, network_isolation, serving_namespace, worker_tiers
from components.manifests import Manifest
from components.monitoring import component as monitoring
from components.plan import ServingPlan


def objects(plan: ServingPlan) -> Mapping[str, Sequence[Manifest]]:
    """The objects of each component, by the field of the plan that has its arguments."""
    return {
        "namespace": serving_namespace.objects(plan.namespace),
        "gateway": gateways.objects(plan.gateway),
        "pool": inference_pool.objects(plan.pool),
        "picker": endpoint_picker.objects(plan.picker),
        "prefill": worker_tiers.objects(plan.prefill),
        "decode": worker_tiers.objects(plan.decode),
        "monitoring": monitoring.objects(plan.monitoring) if plan.monitoring else [],
        "isolation": network_isolation.objects(plan.isolation) if plan.isolation else [],
    }
