"""All that a stack has in the cluster, comparable with what it has at another time."""

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
    """Every object in the namespace and every one of ours beside it, field by field, without what the server adds."""

    declared: Counter[str]
    """What Pulumi has written."""
    derived: Counter[str]
    """What else there is: controllers make it, a moment later; where they name it by chance, by the fixed part."""

    @property
    def everything(self) -> Counter[str]:
        """Both."""
        return self.declared + self.derived


def objects(api: Api, namespace: str) -> Snapshot:
    """Look at the cluster."""
    found = Snapshot(Counter(), Counter())
    for path in _collections(api, namespace):
        for one in _listed(api, path):
            if namespace in json.dumps(one["metadata"]):
                writers = {each["manager"] for each in one["metadata"].get("managedFields") or []}
                found[_PLUGIN not in writers].update(_lines(one))
    return found


def differences(wanted: Counter[str], now: Counter[str]) -> list[str]:
    """Fields that are missing, and those that are there instead."""
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
    ours = {} if "/namespaces/" in path else {"labelSelector": "app.kubernetes.io/part-of=llm-d-pd"}
    answer = api.get(path, **ours)
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
