"""All objects of a stack in the cluster, for comparison with another time."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from sandbox.cluster.api import Api

_SERVERS = {
    "managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "status",
    "clusterIP", "clusterIPs", "kubernetes.io/service-account.uid", "deployment.kubernetes.io/revision",
}  # fmt: skip
_PASSING = {"Event", "Lease", "PodMetrics"}
_PLUGIN = "pulumi-kubernetes"


class Snapshot(NamedTuple):
    """The namespace's objects and the stack's other objects, field by field, without fields that the server adds."""

    declared: Counter[str]
    """Fields that Pulumi wrote."""
    derived: Counter[str]
    """Other fields, which controllers write a moment later; generated names are cut to their fixed part."""

    @property
    def everything(self) -> Counter[str]:
        return self.declared + self.derived


def objects(api: Api, namespace: str) -> Snapshot:
    found = Snapshot(Counter(), Counter())
    for path in _collections(api, namespace):
        for one in _listed(api, path):
            if namespace in json.dumps(one["metadata"]):
                writers = {each["manager"] for each in one["metadata"].get("managedFields") or []}
                found[_PLUGIN not in writers].update(_lines(one))
    return found


def differences(wanted: Counter[str], now: Counter[str]) -> list[str]:
    """Missing fields, and additional ones."""
    return [f"missing: {each}" for each in wanted - now] + [f"there: {each}" for each in now - wanted]


def _collections(api: Api, namespace: str) -> list[str]:
    versions = ["/api/v1"]
    versions += [f"/apis/{group['preferredVersion']['groupVersion']}" for group in api.get("/apis")["groups"]]
    found = []
    for root in versions:
        for kind in api.get(root)["resources"]:
            if "list" in kind["verbs"] and "/" not in kind["name"] and kind["kind"] not in _PASSING:
                within = f"/namespaces/{namespace}" if kind["namespaced"] else ""
                found.append(f"{root}{within}/{kind['name']}")
    return found


def _listed(api: Api, path: str) -> list[dict[str, Any]]:
    query = {} if "/namespaces/" in path else {"labelSelector": "app.kubernetes.io/part-of=llm-d-pd"}
    answer = api.get(path, **query)
    return [{"kind": answer["kind"].removesuffix("List"), **one} for one in answer["items"]]


def _lines(one: dict[str, Any]) -> list[str]:
    metadata = one["metadata"]
    if "generateName" in metadata or one["kind"] == "Endpoints":
        return [f"{one['kind']} {metadata.get('generateName', metadata['name'])}"]
    if one.get("type") == "kubernetes.io/service-account-token":
        one = {**one, "data": sorted(one["data"])}
    return [f"{one['kind']} {metadata['name']} {line}" for line in _fields(one)]


def _fields(value: Any, path: str = "") -> Iterator[str]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if inner:
        for key, each in inner:
            if key not in _SERVERS:
                yield from _fields(each, f"{path}.{key}")
    else:
        yield f"{path} = {json.dumps(value)}"
