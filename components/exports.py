"""Floor 6: the stack outputs. Their keys and types are API: `tests` pins them."""

import json
import shlex
from typing import Any

import pulumi

from components.cluster import Target
from components.config.vocabulary import ServiceType
from components.model_gateway import ModelGateway
from components.names import HTTP_PORT
from components.plan import ServingPlan

LOCAL_PORT = 8000
"""Local port of the suggested port-forward."""


def contract(plan: ServingPlan, target: Target, gateway: ModelGateway) -> dict[str, Any]:
    """Outputs by key."""
    worker = plan.decode.worker
    # Only a load balancer's address is good outside the cluster.
    outside = plan.gateway.service_type is ServiceType.LOAD_BALANCER
    host = gateway.address.apply(lambda given: _host(given) if outside else "")
    return {
        "gatewayUrl": host.apply(lambda given: f"http://{given}" if given else _port_forward(plan)),
        "request": host.apply(lambda given: _request(plan, given)),
        "streamingRequest": host.apply(lambda given: _request(plan, given, stream=True)),
        "model": worker.model.served_name,
        "namespace": plan.namespace.namespace,
        "context": target.context or "",
        "server": target.server or "",
        "inferencePool": plan.pool.name,
        "release": plan.release.value,
        "hostNetwork": worker.host_network,
        "workloads": {
            tier.worker.role.value: {
                "name": tier.worker.name,
                "replicas": tier.worker.replicas,
                "gpus": tier.worker.replicas * tier.worker.gpus,
            }
            for tier in (plan.prefill, plan.decode)
        },
    }


def _port_forward(plan: ServingPlan) -> str:
    """The way in while the gateway has no address, or how to see whether it has one by now."""
    service, namespace = plan.gateway_service, plan.namespace.namespace
    if service is None:
        return f"kubectl --namespace {namespace} get gateway {plan.gateway.name}"
    return f"kubectl --namespace {namespace} port-forward service/{service} {LOCAL_PORT}:{HTTP_PORT}"


def _host(address: str) -> str:
    """An address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


def _request(plan: ServingPlan, host: str, *, stream: bool = False) -> str:
    """A first request, ready to paste; to the port-forward while there is no host, if there is a Service for it."""
    body = {"model": plan.decode.worker.model.served_name, "prompt": "How are you today?", "max_tokens": 50}
    elsewhere = f"localhost:{LOCAL_PORT}" if plan.gateway_service else "ADDRESS-OF-THE-GATEWAY"
    url = f"http://{host or elsewhere}/v1/completions"
    command = ["curl", "-sSN" if stream else "-sS", url, "-H", "Content-Type: application/json", "-d"]
    return shlex.join([*command, json.dumps({**body, "stream": True} if stream else body)])


def publish(outputs: dict[str, Any]) -> None:
    """Export them all."""
    for key, value in outputs.items():
        pulumi.export(key, value)
