"""The route of a stack's requests: model, port and headers to send them with, and the pods that they pass.

The pods are those of the gateway's access log, with pod names in place of addresses.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.client import pods
from sandbox.client.pods import Pod
from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, ApiError
from sandbox.engine.backend import stack_outputs
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.network import gateways, istio
from sandbox.network.gateways import NOT_SERVED, Key
from sandbox.network.istio import Access
from verify import apikey, routing, tiers
from verify.cluster import Cluster
from verify.finding import Unreachable, VerifyError
from verify.outputs import Outputs, parse
from verify.routing import Endpoint


class NotServed(SandboxError):
    """The stack is deployed, but the sandbox lacks the controller of its Gateway."""


@dataclass(frozen=True)
class Target:
    """The target of requests to a deployed stack."""

    namespace: str
    gateway: str
    model: str
    port: int
    """Port on 127.0.0.1."""
    scheme: str = "http"
    path: str = ""
    """Prefix before `/v1`, if the stack has only a part of the Gateway's paths."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that requests to the stack need, including a host name."""
    authorization: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The header with the API key, if the stack asks for one; never shown."""

    @property
    def url(self) -> str:
        """Base URL for an OpenAI client."""
        return f"{self.scheme}://127.0.0.1:{self.port}{self.path}/v1"


def find_target(home: Home, stack: str, api: Api) -> Target:
    """Find a stack's gateway, from the HTTPRoute that leads to its pool, as `verify` does.

    Raises `SandboxError` when there is none, or its subclass `NotServed`.
    """
    if not lifecycle.isolated(home):
        raise SandboxError(
            f"nothing in the sandbox {home.name!r} answers requests: this machine allows no namespaces, so no "
            "container runs and readiness is simulated"
        )
    deployed = stack_outputs(home).get(stack)
    if not deployed:
        raise SandboxError(f"stack {stack!r} isn't deployed in the sandbox {home.name!r}: `make up STACK={stack}`")
    try:
        outputs, cluster = parse(stack, json.dumps(deployed)), Cluster(api.server)
        endpoint = _endpoint(cluster, outputs)
        key = apikey.read(cluster, outputs.namespace, tiers.read(cluster, outputs, "decode"))
        listener = _listener(cluster, outputs, endpoint)
    except (Unreachable, VerifyError) as missing:
        raise SandboxError(f"no request can be sent to stack {stack}: {missing}") from None
    port = gateways.assigned_ports(home.root).get(listener)
    if port is None:
        raise SandboxError(
            f"the gateway {'/'.join(listener)} has no port on this machine: its Service does not exist yet (`make "
            f"status`), or {lifecycle.GATEWAYS} other listeners have all the ports ({home.root / gateways.FILE})"
        )
    authorization = {"Authorization": f"Bearer {key}"} if key else {}
    place = endpoint.proxies.namespace, endpoint.name
    return Target(*place, outputs.model, port, endpoint.scheme, endpoint.path, endpoint.headers, authorization)


def _listener(cluster: Cluster, outputs: Outputs, endpoint: Endpoint) -> Key:
    """Return the key of the listener that the stack's route names."""
    own = endpoint.proxies.namespace, endpoint.name
    if outputs.standalone:
        return own
    first = cluster.get(f"{routing.GATEWAYS}/namespaces/{own[0]}/gateways/{own[1]}")["spec"]["listeners"][0]
    return own if first["port"] == endpoint.port else gateways.key_of(own, endpoint.port)


def _endpoint(cluster: Cluster, outputs: Outputs) -> Endpoint:
    endpoint: Endpoint | None = None
    if outputs.standalone:
        finding, endpoint = routing.judge_envoy(cluster, outputs)
    else:
        finding, route = routing.judge_route(cluster, outputs)
        if route and route["spec"].get("parentRefs"):
            finding, endpoint = routing.judge_gateway(cluster, outputs, route)
    if endpoint is None:
        raise SandboxError(f"{finding.evidence}: `make up STACK={outputs.stack}` repairs it")
    if NOT_SERVED in finding.evidence:
        reason = finding.evidence[finding.evidence.index(NOT_SERVED) :].rstrip(")")
        raise NotServed(f"{endpoint.proxies.namespace}/{endpoint.name} is {reason}")
    return endpoint


_LOG_SECONDS = 5.0
"""Seconds that a gateway may take to log a request after its answer."""
_RECENT = "200"


def gateway_pods(listed: Sequence[Pod], namespace: str | None = None, gateway: str | None = None) -> list[Pod]:
    """Return the pods of one Gateway, or of all."""
    return [
        pod
        for pod in listed
        if pod.role == "gateway"
        and (namespace is None or pod.namespace == namespace)
        and (gateway is None or pod.gateway == gateway)
    ]


def recent(api: Api, pod: Pod) -> Iterator[Access]:
    """Yield the last requests through a gateway pod, oldest first; none while the pod starts or ends."""
    try:
        log = api.text(f"{pod.path}/log", tailLines=_RECENT)
    except ApiError:
        return
    for line in log.splitlines():
        access = istio.read_access(line)
        if access:
            yield access


def find_access(api: Api, listed: Sequence[Pod], target: Target, request_id: str) -> tuple[Pod, Access] | None:
    """Return the gateway pod that served a request and its log entry; None if it does not appear in time."""
    deadline = time.monotonic() + _LOG_SECONDS
    while time.monotonic() < deadline:
        for pod in gateway_pods(listed, target.namespace, target.gateway):
            for access in recent(api, pod):
                if access.id == request_id:
                    return pod, access
        time.sleep(0.05)
    return None


def path_lines(gateway: Pod, access: Access, listed: Sequence[Pod]) -> list[str]:
    """Format the path, one pod per line."""
    served = access.upstream or access.decode
    worker = pods.at(listed, served)
    pickers = [pod for pod in listed if pod.role == "epp" and worker and pod.install == worker.install]
    picker = next((pod for pod in pickers if pod.state == "Ready"), None)  # the others are replicas
    decided = f", decided after {milliseconds(access.picked_us)}" if access.picked_us is not None else ""
    stations = [("gateway", _place(gateway, None))]
    stations += [("picker", _place(picker, None) + decided)] if access.decode else []
    stations += [("prefill", _place(pods.at(listed, access.prefill), access.prefill))] if access.prefill else []
    elsewhere = "" if access.as_picked or not access.decode else f" (picked was {access.decode})"
    stations.append((worker.role if worker else "decode", _place(worker, served) + elsewhere))
    return [f"{'  ' if not index else '→ '}{what:<8} {where}" for index, (what, where) in enumerate(stations)]


def milliseconds(microseconds: int | None) -> str:
    """Format a time of the access log."""
    return "?" if microseconds is None else f"{microseconds / 1000:.1f} ms"


def _place(pod: Pod | None, address: str | None) -> str:
    if pod is None:
        return address or "unknown"
    return f"{pod.name} on {pod.node}"
