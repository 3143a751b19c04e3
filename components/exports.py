"""The stack outputs. Their keys and types are API: `tests` pins them."""

import json
import shlex
from typing import Any

from components import gateways
from components.kubernetes_provider import Target
from components.model_gateway import ModelGateway
from components.plan import ServingPlan
from components.plan.endpoint import DEFAULT_PORTS, Endpoint


def contract(plan: ServingPlan, target: Target, gateway: ModelGateway) -> dict[str, Any]:
    """Outputs by key."""
    worker, endpoint = plan.decode.worker, plan.endpoint
    given = endpoint.address or ""
    address = gateway.address.apply(lambda found: found if endpoint.outside else given)
    return {
        "gatewayUrl": address.apply(lambda at: url(endpoint, at) if at else search(endpoint)),
        "request": address.apply(lambda at: request(endpoint, at, worker.model.served_name)),
        "streamingRequest": address.apply(lambda at: request(endpoint, at, worker.model.served_name, stream=True)),
        "model": worker.model.served_name,
        "namespace": plan.namespace.namespace,
        "context": target.context or "",
        "server": target.server or "",
        # Read from the route, which still leads to the old generation after a failed run.
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
        **({"load": plan.settings.load.stated} if plan.settings.load else {}),
    }


def _priorities(plan: ServingPlan) -> dict[str, str]:
    """The header of a request, by the name of its priority."""
    prefix = f"{plan.pool.name}-"
    return {name.removeprefix(prefix): f"{plan.pool.objective_header}: {name}" for name in plan.pool.objectives}


LOCAL_PORT = 8000


def url(endpoint: Endpoint, address: str) -> str:
    """Base URL of clients, without `/v1`. A host name of the route must resolve to the address of the Gateway."""
    return f"{endpoint.scheme}://{_authority(endpoint.host or address, endpoint)}{endpoint.path}"


def search(endpoint: Endpoint) -> str:
    """The command that opens a port-forward while there is no address, or that shows whether there is one by now."""
    if endpoint.service is None:
        return f"kubectl --namespace {endpoint.namespace} get gateway {endpoint.gateway}"
    ports = f"{LOCAL_PORT}:{endpoint.port}"
    return f"kubectl --namespace {endpoint.namespace} port-forward service/{endpoint.service} {ports}"


def request(endpoint: Endpoint, address: str, model: str, *, stream: bool = False) -> str:
    """A first request, ready to paste; to the port-forward while there is no address, if there is a Service for it."""
    body = {"model": model, "prompt": "How are you today?", "max_tokens": 50, **({"stream": True} if stream else {})}
    if address:
        place = _authority(address, endpoint)
    else:
        place = f"localhost:{LOCAL_PORT}" if endpoint.service else "ADDRESS-OF-THE-GATEWAY"
    target = url(endpoint, address) if endpoint.host else f"{endpoint.scheme}://{place}{endpoint.path}"
    command = ["curl", "-sSN" if stream else "-sS", f"{target}/v1/completions"]
    if endpoint.host and endpoint.host != address:  # the name may not be known to DNS
        command += ["--connect-to", f"::{place}" if ":" in place.rpartition("]")[2] else f"::{place}:"]
    if endpoint.scheme == "https" and not (endpoint.host or endpoint.address):
        command.append("--insecure")  # it is not known for which name the certificate is
    for name, value in {"Content-Type": "application/json", **endpoint.headers}.items():
        command += ["-H", f"{name}: {value}"]
    return " ".join([shlex.join(command), *_key(endpoint), shlex.join(["-d", json.dumps(body)])])


def _key(endpoint: Endpoint) -> list[str]:
    """The header with the API key, which the shell reads from the Secret, so that no output holds it."""
    given = endpoint.api_key
    if given is None:
        return []
    template = f'{{{{index .data "{given.key}" | base64decode}}}}'
    read = shlex.join(["kubectl", "--namespace", endpoint.secrets, "get", "secret", given.secret])
    return ["-H", f'"Authorization: Bearer $({read} --output go-template={shlex.quote(template)})"']


def _authority(host: str, endpoint: Endpoint) -> str:
    """Host and port as they stand in a URL."""
    host = f"[{host}]" if ":" in host else host
    return host if endpoint.port == DEFAULT_PORTS[endpoint.scheme] else f"{host}:{endpoint.port}"
