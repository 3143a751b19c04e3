"""The API server's Pod Security admission admits and refuses pods as `components/plan/pod_security.py` says.

Also the other admission settings of a cluster description, on the same control planes.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from access import kubeconfig
from components.config.vocabulary import PodSecurity as Level
from components.plan.pod_security import refused_by, violations
from preflight.checks import admission
from preflight.cluster import Cluster
from preflight.facts import Facts
from preflight.finding import Severity
from preflight.state import State
from sandbox.cluster import description, nodes
from sandbox.cluster.api import Api, ApiError, connect
from sandbox.cluster.control_plane import Admission, PodSecurity
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.progress import Progress
from sandbox.session import Session
from tests.plan.test_pod_security import PODS, STACKS
from tests.preflight.typed import plan
from tests.program.wire import AMD, ran
from tests.sandbox import running
from tests.sandbox.running import Running

pytestmark = pytest.mark.thorough

NAMESPACE = "/api/v1/namespaces/default"
INVALID = ("windowsOptions", "procMount")
"""Fields that the API server refuses in such a pod before it asks Pod Security."""


@pytest.fixture(scope="module", params=["baseline", "restricted"])
def plane(request: pytest.FixtureRequest) -> Iterator[tuple[Running, Level]]:
    """A control plane; its namespaces without a label have this level."""
    with running.separate(f"level-{request.param}", Admission(PodSecurity(request.param))) as cluster:
        yield cluster, Level(request.param)


@pytest.fixture(scope="module")
def strict(plane: tuple[Running, Level]) -> Iterator[tuple[Api, Level]]:
    with connect(plane[0].host_kubeconfig) as api:
        assert running.soon(lambda: bool(api.get(f"{NAMESPACE}/serviceaccounts")["items"]))
        yield api, plane[1]


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


def test_preflight_has_the_words_of_the_clusters_own_level(
    strict: tuple[Api, Level], plane: tuple[Running, Level], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, level = plane
    monkeypatch.setenv("KUBECONFIG", str(cluster.host_kubeconfig))
    changes = {"namespace": "default", "createNamespace": False, "rdma": {"resource": "rdma/ib"}}
    facts = Facts(plan(**changes), Cluster.connect(kubeconfig.read()), State())
    [finding] = [each for each in admission.check(facts) if each.severity is Severity.ERROR]
    assert (finding.check, finding.path) == ("Pod Security", "serving.namespace")
    assert f'violates PodSecurity "{level}:latest"' in finding.evidence


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-latest}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations:
    - {expression: "object.spec.containers.all(c, !c.image.endsWith(':latest'))", message: images need a fixed tag}
"""
BINDING = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-latest}
spec: {policyName: no-latest, validationActions: [Deny]}
"""


def test_a_policy_applies_until_another_description(plane: tuple[Running, Level], tmp_path: Path) -> None:
    policies = [yaml.safe_load(text) for text in (POLICY, BINDING)]
    nodes_of = {"nodes": [{"name": "n", "count": 1, "cpu": 1, "memory": "1Gi", "disk": "1Gi"}]}
    file = tmp_path / "strict.yaml"
    file.write_text(yaml.safe_dump({**nodes_of, "admissionPolicies": policies}))
    confined = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    spec = {"containers": [{"name": "c", "image": "pause:latest", "securityContext": confined}]}

    def latest_is_refused(api: Api) -> bool:
        try:
            api.request("POST", f"{NAMESPACE}/pods", {"dryRun": "All"}, {"metadata": {"name": "x"}, "spec": spec})
        except ApiError as error:
            return "images need a fixed tag" in str(error)
        return False

    with connect(plane[0].host_kubeconfig) as api:
        nodes.provide_policies(plane[0].host_kubeconfig, description.choose(Home(tmp_path), str(file)))
        assert running.soon(lambda: latest_is_refused(api))
        nodes.provide_policies(plane[0].host_kubeconfig, description.default())
        assert running.soon(lambda: not latest_is_refused(api))


def test_other_settings_of_a_running_sandbox_are_refused_with_commands(
    plane: tuple[Running, Level], tmp_path: Path
) -> None:
    (tmp_path / "Pulumi.x.yaml").write_text("config: {}")
    default = description.choose(plane[0].home, "default")
    with pytest.raises(SandboxError, match="make down && make up STACK=x CLUSTER=default"):
        Session.ready(plane[0].home, "x", Progress(), tmp_path, cluster=default)
