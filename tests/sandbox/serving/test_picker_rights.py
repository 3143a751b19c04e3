"""The EPP needs every right of its Role: without one of them, the real EPP reports the missing right.

All pickers run in parallel, each in its own namespace. None needs workers.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any

import pytest

from sandbox.cluster.api import Api, ApiError, connect
from tests.sandbox.running import Running, provide_nodes
from tests.sandbox.serving import broken

pytestmark = pytest.mark.thorough
PATIENCE = 900.0
"""Seconds; fifteen pickers start in parallel and make a key of 4096 bits each, maybe on a busy machine."""

FOLLOWED = {
    "0.4": ("pods", "inferencepools", "inferenceobjectives"),
    "0.6": ("pods", "inferencepools", "inferenceobjectives", "inferencemodelrewrites"),
}
VERBS = {"0.4": ("list", "watch"), "0.6": ("watch",)}
"""Verbs by release. The newer EPP lists with a watch (Kubernetes 1.34), and needs `list` only for older servers."""
MISSING = [
    (release, kind, verb) for release, kinds in FOLLOWED.items() for kind, verb in product(kinds, VERBS[release])
]
KINDS = ("Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "InferencePool", "Deployment")
Key = tuple[str, str, str]
Objects = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def api(cluster: Running) -> Iterator[Api]:
    provide_nodes(cluster)
    with connect(cluster.host_kubeconfig) as api:
        yield api


@pytest.fixture(scope="module")
def namespaces(api: Api) -> Iterator[dict[Key, str]]:
    """Namespaces of pickers: for each release one with all rights, and one without each right."""
    wanted: list[Key] = [*((release, "", "") for release in FOLLOWED), *MISSING]
    stacks = {key: _picker(f"rights-{number}", key) for number, key in enumerate(wanted)}
    for objects in stacks.values():
        broken.deploy(api, objects, 0)
    yield {key: f"rights-{number}" for number, key in enumerate(wanted)}
    for objects in stacks.values():
        broken.remove(api, objects)


def _picker(namespace: str, key: Key) -> Objects:
    """Return the picker's objects without one right, and without a CPU request."""
    release, kind, verb = key
    objects = {
        name: each
        for name, each in broken.render(namespace, release=release).items()
        if each["kind"] in KINDS and (each["kind"] != "Deployment" or "epp" in name)
    }
    objects["Deployment/gaie-pd-epp"]["spec"]["template"]["spec"]["containers"][0]["resources"] = {}
    rules = objects["Role/gaie-pd-epp"]["rules"]
    if kind:
        [rule] = [each for each in rules if kind in each["resources"]]
        rest = [each for each in rule["resources"] if each != kind]
        rules.remove(rule)
        rules += [{**rule, "resources": rest}] if rest else []
        rules.append({**rule, "resources": [kind], "verbs": [each for each in rule["verbs"] if each != verb]})
    return objects


def _log(api: Api, namespace: str) -> str:
    """Return the picker's logs, including the previous container's."""
    found = ""
    for pod in api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]:
        for previous in ("false", "true"):
            with suppress(ApiError):
                found += api.text(
                    f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/log", previous=previous
                )
    return found


def _until(condition: Any) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return bool(met)


@pytest.mark.parametrize("release", FOLLOWED)
def test_a_picker_with_all_rights_is_ready_and_reports_none(api: Api, namespaces: dict[Key, str], release: str) -> None:
    """It runs as a user other than root, on a read-only root."""
    namespace = namespaces[release, "", ""]
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/gaie-pd-epp"
    assert _until(lambda: api.get(path)["status"].get("readyReplicas")), _log(api, namespace)
    assert "forbidden" not in _log(api, namespace)


@pytest.mark.parametrize(("release", "kind", "verb"), MISSING)
def test_a_picker_reports_every_missing_right(
    api: Api, namespaces: dict[Key, str], release: str, kind: str, verb: str
) -> None:
    namespace = namespaces[release, kind, verb]
    said = f'cannot {verb} resource \\"{kind}\\"'
    assert _until(lambda: said in _log(api, namespace)), _log(api, namespace)[-2000:]
