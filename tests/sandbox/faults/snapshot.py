"""All that a stack has in the cluster, comparable with another stack's."""

import json
import re
from collections import Counter
from typing import Any, NamedTuple

from sandbox.cluster.api import Api

_SERVERS = {
    "managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "status",
    "clusterIP", "clusterIPs", "kubernetes.io/service-account.uid",
}  # fmt: skip
_PASSING = {"Event", "Lease", "PodMetrics"}


class Snapshot(NamedTuple):
    """Every object in the namespace and every one of ours beside it, without what the server adds."""

    declared: Counter[str]
    """What somebody has written."""
    derived: Counter[str]
    """What controllers made of it, a moment later; where they name it by chance, by the name's fixed part."""


def objects(api: Api, namespace: str) -> Snapshot:
    """Look at the cluster."""
    found = Snapshot(Counter(), Counter())
    for path in _collections(api, namespace):
        for one in _listed(api, path):
            if namespace in json.dumps(one["metadata"]):
                derived = "ownerReferences" in one["metadata"] or one["kind"] == "Endpoints"
                found[derived][_plain(one, namespace)] += 1
    return found


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


def _plain(one: dict[str, Any], namespace: str) -> str:
    metadata = one["metadata"]
    if "generateName" in metadata or one["kind"] == "Endpoints":
        text = f"{one['kind']} {metadata.get('generateName', metadata['name'])}"
    else:
        if one.get("type") == "kubernetes.io/service-account-token":
            one = {**one, "data": sorted(one["data"])}
        text = json.dumps(_stripped(one), sort_keys=True)
    for made_up in metadata.get("labels", {}).get("pod-template-hash"), namespace:
        text = re.sub(rf"\b{made_up}\b", "…", text) if made_up else text
    return text


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(each) for key, each in value.items() if key not in _SERVERS}
    return [_stripped(each) for each in value] if isinstance(value, list) else value
