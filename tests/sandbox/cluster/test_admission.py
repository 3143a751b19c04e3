"""The admission settings of a description, with the real API server and scheduler."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cluster import description, nodes
from sandbox.cluster.api import Api, ApiError, connect
from sandbox.cluster.description import Choice
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.progress import Progress
from sandbox.session import Session
from tests.sandbox import running
from tests.sandbox.running import Running

pytestmark = pytest.mark.thorough

STRICT = """
podSecurity: baseline
extendedResourceToleration: true
nodes:
  - name: gpu
    count: 1
    gpus: 8
    gpuResource: nvidia.com/gpu
    cpu: 8
    memory: 16Gi
    disk: 100Gi
    taints: [{key: nvidia.com/gpu, value: present, effect: NoSchedule}]
admissionPolicies:
  - apiVersion: admissionregistration.k8s.io/v1
    kind: ValidatingAdmissionPolicy
    metadata: {name: no-latest}
    spec:
      matchConstraints:
        resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
      validations:
        - expression: "object.spec.containers.all(c, !c.image.endsWith(':latest'))"
          message: images need a fixed tag
  - apiVersion: admissionregistration.k8s.io/v1
    kind: ValidatingAdmissionPolicyBinding
    metadata: {name: no-latest}
    spec: {policyName: no-latest, validationActions: [Deny]}
"""
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Choice]]:
    file = tmp_path_factory.mktemp("strict") / "strict.yaml"
    file.write_text(STRICT)
    choice = description.choose(Home(file.parent), str(file))
    with running.separate("admission", choice.description.admission) as cluster:
        nodes.provide(cluster.host_kubeconfig, choice, "nvidia")
        nodes.provide_policies(cluster.host_kubeconfig, choice)
        yield cluster, choice


@pytest.fixture
def api(strict: tuple[Running, Choice]) -> Iterator[Api]:
    with connect(strict[0].host_kubeconfig) as api:
        assert running.soon(lambda: bool(api.get("/api/v1/namespaces/default/serviceaccounts")["items"]))
        yield api


def refusal(api: Api, name: str, image: str = "pause:3", **spec: object) -> str:
    """Return the API server's refusal of a pod; "" if it accepts the pod."""
    pod = {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}
    try:
        api.create(PODS, pod)
    except ApiError as error:
        return str(error)
    api.delete(f"{PODS}/{name}", gracePeriodSeconds="0")
    return ""


def test_the_pod_security_level_applies_to_a_namespace_without_a_label(api: Api) -> None:
    assert 'violates PodSecurity "baseline:latest"' in refusal(api, "on-host", hostNetwork=True)
    assert refusal(api, "plain") == ""


def test_a_policy_applies_until_another_description(strict: tuple[Running, Choice], api: Api) -> None:
    assert running.soon(lambda: "images need a fixed tag" in refusal(api, "floating", "pause:latest"))
    nodes.provide_policies(strict[0].host_kubeconfig, description.default())
    assert running.soon(lambda: refusal(api, "floating", "pause:latest") == "")


def test_a_pod_tolerates_the_taint_with_the_name_of_its_device(api: Api) -> None:
    limits = {"resources": {"limits": {"nvidia.com/gpu": "8"}}}
    spec = {"containers": [{"name": "c", "image": "pause:3", **limits}]}
    api.create(PODS, {"metadata": {"name": "tolerant"}, "spec": spec})
    assert running.soon(lambda: api.get(f"{PODS}/tolerant")["spec"].get("nodeName") == "gpu-0")


def test_other_settings_of_a_running_sandbox_are_refused_with_commands(
    strict: tuple[Running, Choice], tmp_path: Path
) -> None:
    (tmp_path / "Pulumi.x.yaml").write_text("config: {}")
    default = description.choose(strict[0].home, "default")
    with pytest.raises(SandboxError, match="make down && make up STACK=x CLUSTER=default"):
        Session.ready(strict[0].home, "x", Progress(), tmp_path, cluster=default)
