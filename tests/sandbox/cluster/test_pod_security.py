"""The API server's Pod Security admission admits and refuses pods as `components/plan/pod_security.py` says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.config.vocabulary import PodSecurity as Level
from components.plan.pod_security import refused_by, violations
from sandbox.cluster.admission import Admission, PodSecurity
from sandbox.cluster.api import Api, ApiError, connect
from tests.plan.test_pod_security import PODS, STACKS
from tests.program.wire import AMD, ran
from tests.sandbox import running

pytestmark = pytest.mark.thorough

NAMESPACE = "/api/v1/namespaces/default"
INVALID = ("windowsOptions", "procMount")
"""Fields that the API server refuses in such a pod before it asks Pod Security."""


@pytest.fixture(scope="module", params=["baseline", "restricted"])
def strict(request: pytest.FixtureRequest) -> Iterator[tuple[Api, Level]]:
    """A control plane; its namespaces without a label have this level."""
    level = Admission(PodSecurity(request.param))
    with running.separate(f"level-{request.param}", level) as cluster, connect(cluster.host_kubeconfig) as api:
        assert running.soon(lambda: bool(api.get(f"{NAMESPACE}/serviceaccounts")["items"]))
        yield api, Level(request.param)


def refused(api: Api, spec: dict[str, Any]) -> bool:
    """Whether Pod Security keeps a pod out; any other refusal is an error of the test."""
    pod = {"metadata": {"name": "judged"}, "spec": spec}
    try:
        api.request("POST", f"{NAMESPACE}/pods", {"dryRun": "All"}, pod)
    except ApiError as error:
        assert "violates PodSecurity" in str(error), str(error)
        return True
    return False


def test_typed_pods(strict: tuple[Api, Level]) -> None:
    api, level = strict
    wrong = []
    for pod, container, _ in PODS:
        if any(field in json.dumps(container) for field in INVALID):
            continue
        begun = [{"image": "pause:3", **each} for each in pod.get("initContainers", [])]
        spec = {**pod, "containers": [{"name": "c", "image": "pause:3", **container}]}
        if begun:
            spec["initContainers"] = begun
        if refused(api, spec) != bool(refused_by(level, violations(spec))):
            wrong.append((pod, container))
    assert wrong == []


def test_the_pods_of_every_deployment(strict: tuple[Api, Level]) -> None:
    api, level = strict
    wrong = []
    for changes in STACKS:
        objects = ran({key: value for key, value in AMD.items() if key not in changes} | changes).objects
        for key, each in objects.items():
            if key.startswith("Deployment/"):
                pod = each["spec"]["template"]["spec"]
                # Accounts and classes of a stack that is not deployed: their absence would be another refusal.
                spec = {**pod, "serviceAccountName": "default"}
                if refused(api, spec) != bool(refused_by(level, violations(pod))):
                    wrong.append((changes, key))
    assert wrong == []
