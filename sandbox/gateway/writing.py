"""What has to be written to the API server, so that it holds what follows from the model; nothing when it does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.cluster.api import Api, ApiError
from sandbox.gateway import deployment, status
from sandbox.gateway.classes import CLASSES
from sandbox.gateway.model import Model
from sandbox.gateway.overlay import Overlay
from sandbox.gateway.status import Operation
from sandbox.gateway.store import MANAGED, Key, Object, World

CONTROLLERS = frozenset(one.controller for one in CLASSES.values())
_GATEWAY = "/apis/gateway.networking.k8s.io/v1"
_CLASSES = f"{_GATEWAY}/gatewayclasses"
_PLURALS = {"Deployment": "/apis/apps/v1/namespaces/{}/deployments/{}", "Service": "/api/v1/namespaces/{}/services/{}"}
_ABSENT, _CONFLICT, _FORBIDDEN = 404, 409, 403


@dataclass(frozen=True)
class Write:
    """One request."""

    verb: Literal["apply", "delete", "status"]
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)


class Writer:
    """Knows what it has applied already."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._applied: dict[str, Mapping[str, Any]] = {}

    def objects(self, world: World, model: Model) -> Iterator[Write]:
        """Return the writes that make what belongs to Gateways and pools exist, and nothing else."""
        wanted: dict[str, Mapping[str, Any]] = {}
        for gateway in model.gateways.values():
            if gateway.accepted.good:
                wanted |= deployment.objects(gateway, Overlay.of(world, gateway.spec, gateway.gateway_class))
        for key in model.pools:
            wanted |= deployment.pool_objects(world["InferencePool"][key])
        present = {path.format(*key) for kind, path in _PLURALS.items() for key in world[kind]}
        for path, body in wanted.items():
            vanished = body["kind"] in _PLURALS and path not in present
            if vanished or self._applied.get(path) != body:
                yield Write("apply", path, body)
        alive = {gateway.spec["metadata"]["uid"] for gateway in model.gateways.values()}
        for kind, path in _PLURALS.items():
            for key, one in world[kind].items():
                if MANAGED in (one["metadata"].get("labels") or {}) and not _owned_by(one, alive):
                    yield Write("delete", path.format(*key))

    def perform(self, write: Write) -> bool:
        """Send a request; False if it has to be tried again. Raises `SandboxError` when the server is gone."""
        try:
            match write.verb:
                case "apply":
                    self._api.apply(write.path, write.body)
                    self._applied[write.path] = write.body
                case "delete":
                    self._applied.pop(write.path, None)
                    self._api.delete(write.path, propagationPolicy="Background")
                case "status":
                    self._api.patch(f"{write.path}/status", write.body)
        except ApiError as error:
            if error.code not in (_ABSENT, _CONFLICT, _FORBIDDEN):  # gone or going: the next event tells
                print(f"{write.verb} {write.path}: {error}", flush=True)
            return error.code == _ABSENT
        return True


def classes(world: World, now: str) -> Iterator[Write]:
    """Return the writes for the classes themselves."""
    for name, one in CLASSES.items():
        present = world["GatewayClass"].get(("", name))
        body = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": name},
            "spec": {"controllerName": one.controller},
        }
        if present is None:
            yield Write("apply", f"{_CLASSES}/{name}", body)
        elif present["spec"]["controllerName"] == one.controller:
            yield from _status(f"{_CLASSES}/{name}", present, status.gateway_class(present, now))


def statuses(world: World, model: Model, operations: Mapping[Key, Operation], now: str) -> Iterator[Write]:
    """Return the writes for the status of Gateways, routes and pools."""
    for key, gateway in model.gateways.items():
        path = f"{_GATEWAY}/namespaces/{key[0]}/gateways/{key[1]}"
        yield from _status(path, gateway.spec, status.gateway(gateway, operations[key], now))
    for key, one in world["HTTPRoute"].items():
        wanted = status.route(one, model.routes.get(key, ()), CONTROLLERS, now)
        yield from _parents(f"{_GATEWAY}/namespaces/{key[0]}/httproutes/{key[1]}", one, wanted)
    for key, one in world["InferencePool"].items():
        wanted = status.pool(one, model.pools.get(key, ()), CONTROLLERS, now)
        path = f"/apis/inference.networking.k8s.io/v1/namespaces/{key[0]}/inferencepools/{key[1]}"
        yield from _parents(path, one, wanted)


def balanced(service: Key, address: str) -> Write:
    """Return the write that tells a LoadBalancer Service its address."""
    path = f"/api/v1/namespaces/{service[0]}/services/{service[1]}"
    return Write("status", path, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})


def _parents(path: str, one: Object, wanted: Mapping[str, Any]) -> Iterator[Write]:
    """The list is shared with other controllers: written only over the version that was read."""
    if wanted["parents"] or (one.get("status") or {}).get("parents"):
        version = {"resourceVersion": one["metadata"]["resourceVersion"]}
        yield from _status(path, one, wanted, metadata=version)


def _status(path: str, one: Object, wanted: Mapping[str, Any], **more: Any) -> Iterator[Write]:
    present = one.get("status") or {}
    if {key: present.get(key) for key in wanted} != wanted:
        yield Write("status", path, {**more, "status": wanted})


def _owned_by(one: Object, alive: set[str]) -> bool:
    return any(owner["uid"] in alive for owner in one["metadata"].get("ownerReferences") or ())
