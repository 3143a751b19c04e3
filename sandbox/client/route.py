"""The route of a stack's requests: model, port and headers to send them with, and the pods that they pass.

The pods are those of the gateway's access log, with pod names in place of addresses.
"""

import time
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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

_GATEWAY = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/gateways/{}"
_SERVICE = "/api/v1/namespaces/{}/services/{}"
_DEPLOYMENT = "/apis/apps/v1/namespaces/{}/deployments/{}"
_SECRET = "/api/v1/namespaces/{}/secrets/{}"
_KEY = "VLLM_API_KEY"
"""Variable of vLLM's container with the API key."""
_ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes"


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
    """Find a stack's gateway, from the HTTPRoute that leads to its pool.

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
    route = _route(api, stack, deployed)
    port = gateways.assigned_ports(home.root).get(route.listener)
    if port is None:
        raise SandboxError(
            f"the gateway {'/'.join(route.gateway)} has no port on this machine: its Service does not exist yet (`make "
            f"status`), or {lifecycle.GATEWAYS} other listeners have all the ports ({home.root / gateways.FILE})"
        )
    authorization = _authorization(api, deployed)
    return Target(*route.gateway, deployed["model"], port, route.scheme, route.path, route.headers, authorization)


def _authorization(api: Api, deployed: dict[str, Any]) -> dict[str, str]:
    """Return the header with the key from the Secret that the decode workers name; empty if they name none."""
    namespace = deployed["namespace"]
    pod = api.get(_DEPLOYMENT.format(namespace, deployed["workloads"]["decode"]["name"]))["spec"]["template"]["spec"]
    variables = [one for container in pod["containers"] for one in container.get("env") or [] if one["name"] == _KEY]
    reference = (variables[0].get("valueFrom") or {}).get("secretKeyRef") if variables else None
    if reference is None:
        return {}
    data = api.get(_SECRET.format(namespace, reference["name"])).get("data") or {}
    return {"Authorization": f"Bearer {b64decode(data.get(reference['key'], '')).decode()}"}


@dataclass(frozen=True)
class _Route:
    """A stack's gateway and listener, and the path and headers that its route matches."""

    gateway: Key
    listener: Key
    scheme: str = "http"
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def _route(api: Api, stack: str, deployed: dict[str, Any]) -> _Route:
    """Return the route to the stack's pool through its parent Gateway, or through a standalone Envoy."""
    namespace, pool = deployed["namespace"], deployed["inferencePool"]
    if deployed["gateway"]["provider"] == "standalone":
        own = namespace, deployed["gateway"]["name"]
        return _Route(own, own, api.get(_SERVICE.format(*own))["spec"]["ports"][0]["name"])
    routes = api.get(_ROUTES.format(namespace))["items"]
    leading = [one["spec"] for one in routes if _leads_to(one, pool)]
    # The route of a generation's trial asks for one more header than the stack's route.
    route = min(leading, key=lambda one: len(_wanted(one)[1]), default=None)
    if route is None:
        raise SandboxError(
            f"no HTTPRoute in {namespace} leads to the pool {pool}: `make up STACK={stack}` makes it anew"
        )
    parent = route["parentRefs"][0]
    key = parent.get("namespace", namespace), parent["name"]
    gateway = api.get(_GATEWAY.format(*key))
    for condition in gateway.get("status", {}).get("conditions") or ():
        if condition["message"].startswith(NOT_SERVED):
            raise NotServed(f"{'/'.join(key)} is {condition['message']}")
    listener, first = _listener(gateway, parent.get("sectionName"))
    own = key if first else gateways.key_of(key, listener["port"])
    return _Route(key, own, listener["protocol"].lower(), *_wanted(route))


def _leads_to(route: dict[str, Any], pool: str) -> bool:
    backends = (backend for rule in route["spec"].get("rules") or [] for backend in rule.get("backendRefs") or [])
    return any(one.get("kind") == "InferencePool" and one["name"] == pool for one in backends)


def _listener(gateway: dict[str, Any], section: str | None) -> tuple[dict[str, Any], bool]:
    """Return the listener that a route names, else the first one, and whether it is the first."""
    listeners: list[dict[str, Any]] = gateway["spec"]["listeners"]
    found = next((one for one in listeners if one["name"] == section), listeners[0])
    return found, found["port"] == listeners[0]["port"]


def _wanted(route: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the path before `/v1` and the headers that the route matches."""
    match: dict[str, Any] = (route["rules"][0].get("matches") or [{}])[0]
    headers = {one["name"]: one["value"] for one in match.get("headers") or []}
    if names := route.get("hostnames"):
        headers["Host"] = names[0].replace("*", "any", 1)
    return (match.get("path") or {}).get("value", "/").rstrip("/"), headers


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
