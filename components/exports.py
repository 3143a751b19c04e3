"""The stack outputs. Their keys and types are API: `tests` pins them."""

from typing import Any

import pulumi

from components import client_commands, gateways
from components.kubernetes_provider import Target
from components.model_gateway import ModelGateway
from components.plan import ServingPlan


def contract(plan: ServingPlan, target: Target, gateway: ModelGateway) -> dict[str, Any]:
    """Outputs by key."""
    worker, endpoint = plan.decode.worker, plan.endpoint
    given = endpoint.address or ""
    address = gateway.address.apply(lambda found: found if endpoint.outside else given)
    return {
        "gatewayUrl": address.apply(
            lambda at: client_commands.url(endpoint, at) if at else client_commands.search(endpoint)
        ),
        "request": address.apply(lambda at: client_commands.request(endpoint, at, worker.model.served_name)),
        "streamingRequest": address.apply(
            lambda at: client_commands.request(endpoint, at, worker.model.served_name, stream=True)
        ),
        "model": worker.model.served_name,
        "namespace": plan.namespace.namespace,
        "context": target.context or "",
        "server": target.server or "",
        # Of the route itself: after a failed run it still leads to the old generation.
        "generation": gateway.generation,
        "inferencePool": plan.pool.name,
        "gateway": {
            "provider": gateways.of(plan.gateway).word.value,
            "name": plan.gateway.name,
            "service": endpoint.service or "",
        },
        "release": plan.release.value,
        "hostNetwork": worker.host_network,
        "workloads": {
            tier.worker.role.value: {
                "name": tier.worker.name,
                # Not known where an autoscaler decides.
                "replicas": None if tier.worker.autoscaled else tier.worker.replicas,
                "gpus": None if tier.worker.autoscaled else tier.worker.replicas * tier.worker.gpus,
                "tensorParallel": tier.worker.tensor_parallel,
                "gpuResource": tier.worker.gpu_resource,
                "rdma": tier.worker.rdma,
            }
            for tier in (plan.prefill, plan.decode)
        },
        **({"priorities": _priorities(plan)} if plan.pool.objectives else {}),
        **({"sizing": plan.sized} if plan.sized else {}),
        **({"load": plan.sizing.load.stated} if plan.sizing.load else {}),
    }


def _priorities(plan: ServingPlan) -> dict[str, str]:
    """The header of a request, by the name of its priority."""
    prefix = f"{plan.pool.name}-"
    return {name.removeprefix(prefix): f"{plan.pool.objective_header}: {name}" for name in plan.pool.objectives}


def publish(outputs: dict[str, Any]) -> None:
    """Export them all."""
    for key, value in outputs.items():
        pulumi.export(key, value)
