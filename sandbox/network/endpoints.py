"""The pods that are Ready behind a Service, as EndpointSlices list them."""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.network.store import Key, Object, World


def service_endpoints(world: World, service: Key, number: int) -> list[tuple[str, int]]:
    """Return address and port of what is Ready behind a Service's port."""
    port = _port(world, service, number)
    if port is None:
        return []
    found = {
        (endpoint["addresses"][0], actual["port"])
        for one in _slices(world, service)
        for endpoint in _ready(one)
        for actual in one.get("ports") or ()
        if (actual.get("name") or "") == port.get("name", "")
    }
    return sorted(found)


def ready_addresses(world: World, service: Key) -> list[str]:
    """Return the addresses of the pods that are Ready behind a Service."""
    return sorted({endpoint["addresses"][0] for one in _slices(world, service) for endpoint in _ready(one)})


def _port(world: World, service: Key, number: int) -> Mapping[str, Any] | None:
    ports = world["Service"].get(service, {}).get("spec", {}).get("ports") or ()
    return next((one for one in ports if one["port"] == number), None)


def _slices(world: World, service: Key) -> Iterator[Object]:
    for (namespace, _), one in world["EndpointSlice"].items():
        labels = one["metadata"].get("labels", {})
        if namespace == service[0] and labels.get("kubernetes.io/service-name") == service[1]:
            yield one


def _ready(one: Object) -> Iterator[Mapping[str, Any]]:
    for endpoint in one.get("endpoints") or ():
        if endpoint.get("conditions", {}).get("ready") is not False:
            yield endpoint
