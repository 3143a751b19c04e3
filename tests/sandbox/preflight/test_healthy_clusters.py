"""Preflight finds no error and no warning on healthy clusters with a running stack, and what broke since it runs."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

import preflight
from access import kubeconfig
from components.config.reading import settings_of
from components.plan import ServingPlan, check, resolve
from preflight.checks import admission, changed_pods
from preflight.cluster import Cluster
from preflight.facts import Facts
from preflight.finding import Report, Severity
from preflight.state import State
from sandbox.cluster.api import connect
from tests.program.every_setting import EVERY_SETTING, with_setting
from tests.sandbox.preflight.broken import kueue, onlooker
from tests.sandbox.preflight.stage import LEVEL, NAMESPACE, Stage
from tests.sandbox.running import Running, soon
from tests.sandbox.stack.deployment import RELEASE, Deployment, deployment, destroyed_afterwards
from tests.stack_file import stack_file

pytestmark = pytest.mark.thorough

SPACE = f"/api/v1/namespaces/{NAMESPACE}"
SIDECAR = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.28.1"}
MIRROR = "registry.example/vllm:1"
QUEUE = "kueue.x-k8s.io/queue-name"


@pytest.fixture(scope="module")
def stage(cluster: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A running stack."""
    with destroyed_afterwards(deployment(cluster, "amd")) as made, connect(cluster.host_kubeconfig) as api:
        made.up()
        yield Stage(api, made, tmp_path_factory.mktemp("preflight"))


@pytest.fixture(scope="module")
def state(stage: Stage) -> State:
    return _state(stage.amd)


def _state(stack: Deployment) -> State:
    resources = json.loads(stack.pulumi("stack", "export").stdout)["deployment"]["resources"]
    return State.of((each["type"], each.get("outputs")) for each in resources)


def _plan(settings: dict[str, Any]) -> ServingPlan:
    read, problems = settings_of(
        stack_file(**{"release": RELEASE, "rdma": {"resource": "rdma/ib"}, "model__tokenSecret": None, **settings})
    )
    assert not [*problems, *check(read, token_given=False)]
    return resolve(read, None)


def _looked(state: State, *, preview: bool = False, **settings: Any) -> Report:
    return preflight.run(_plan(settings), Cluster.connect(kubeconfig.read()), state, preview=preview)


@contextmanager
def _full(stage: Stage) -> Iterator[None]:
    """A quota that the running stack fills."""
    hard = {"pods": "1k", "requests.amd.com/gpu": "1k", "requests.memory": "100Ti", "services": "1k"}
    path = f"{SPACE}/resourcequotas/full"
    with stage.within("resourcequotas", "ResourceQuota", "full", spec={"hard": hard}):

        def used() -> dict[str, str]:
            return dict(stage.api.get(path).get("status", {}).get("used", {}))

        assert soon(lambda: used().get("requests.amd.com/gpu") == "8", 60)
        stage.api.patch(path, {"spec": {"hard": used()}})
        assert soon(lambda: stage.api.get(path)["status"]["hard"] == used(), 60)
        yield


@contextmanager
def _labelled(stage: Stage, level: str) -> Iterator[None]:
    """The namespace; its label stays the program's."""
    before = stage.api.get(SPACE)["metadata"]["labels"].get(LEVEL)
    stage.api.patch(SPACE, {"metadata": {"labels": {LEVEL: level}}}, fieldManager="pulumi-kubernetes")
    try:
        yield
    finally:
        stage.api.patch(SPACE, {"metadata": {"labels": {LEVEL: before}}}, fieldManager="pulumi-kubernetes")


@contextmanager
def _queue(stage: Stage) -> Iterator[None]:
    with kueue(stage), stage.within("localqueues", "LocalQueue", "gpus", "/apis/kueue.x-k8s.io/v1beta1"):
        gates = [{"op": "add", "path": "/spec/schedulingGates", "value": [{"name": "kueue.x-k8s.io/admission"}]}]
        with stage.webhook("Mutating", patch=gates):
            yield


@contextmanager
def _policies(stage: Stage) -> Iterator[None]:
    """Policies that cut everything off, and one that admits it again."""
    api, everything = "/apis/networking.k8s.io/v1", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    with (
        stage.within("networkpolicies", "NetworkPolicy", "deny", api, spec=everything),
        stage.within(
            "networkpolicies", "NetworkPolicy", "allow", api, spec={**everything, "ingress": [{}], "egress": [{}]}
        ),
    ):
        yield


def _limits(stage: Stage) -> AbstractContextManager[Any]:
    default = {"type": "Container", "default": {"cpu": "20"}, "defaultRequest": {"cpu": "1"}}
    return stage.within("limitranges", "LimitRange", "defaults", spec={"limits": [default]})


Way = Callable[[Stage], AbstractContextManager[Any]]

HEALTHY: dict[str, tuple[Way, dict[str, Any]]] = {
    "nothing special": (lambda _: nullcontext(), {}),
    "a full quota": (_full, {}),
    "a webhook that takes no dry runs": (
        lambda stage: stage.webhook("Validating", dry=True, allowed=False, status={"message": "no dry run here"}),
        {},
    ),
    "a webhook that injects a sidecar": (
        lambda stage: stage.webhook("Mutating", patch=[{"op": "add", "path": "/spec/containers/-", "value": SIDECAR}]),
        {},
    ),
    "a webhook that rewrites images": (
        lambda stage: stage.webhook(
            "Mutating", patch=[{"op": "replace", "path": "/spec/containers/0/image", "value": MIRROR}]
        ),
        {},
    ),
    "a user who may only look": (onlooker, {}),
    "Kueue": (_queue, {"prefill": {"labels": {QUEUE: "gpus"}}}),
    "defaults of a LimitRange": (_limits, {}),
    "Pod Security restricted": (
        lambda stage: _labelled(stage, "restricted"),
        {"rdma": None, "security": {"podSecurity": "restricted", "runAsUser": 1000}},
    ),
    "policies that admit": (_policies, {}),
    "an admission policy": (
        lambda stage: stage.policy("pods", "object.spec.containers.size() > 0", "no container"),
        {},
    ),
}
"""Surroundings of a running stack, with the settings that differ from its own."""


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_cluster_has_no_error_and_no_warning(
    stage: Stage, state: State, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    way, settings = HEALTHY[name]
    with way(stage) as other:
        monkeypatch.setenv("KUBECONFIG", str(other or stage.amd.cluster.host_kubeconfig))
        report = _looked(state, preview=other is not None, **settings)
    assert report.passed, report.text()
    assert report.summary().partition(": ")[2].startswith("nothing in the way"), report.text()


def test_what_was_deleted_or_paused_since_is_reported(
    stage: Stage, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(stage.amd.cluster.host_kubeconfig))
    workers = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/ms-pd-llm-d-modelservice-decode"
    stage.api.patch(workers, {"spec": {"paused": True}})
    stage.gone(f"{SPACE}/configmaps/llm-d-pd-dashboard-serving")
    report = _looked(state)
    stage.api.patch(workers, {"spec": {"paused": None}})
    assert [(str(each.severity), each.check) for each in report.findings] == [("warning", "drift")] * 2, report.text()
    assert "ConfigMap llm-d-pd-dashboard-serving is in the stack's state and not in the cluster" in report.text()
    assert "`kubectl -n llm-d-pd rollout resume deployment/ms-pd-llm-d-modelservice-decode`" in report.text()


def test_no_setting_is_refused_or_called_a_change_of_the_cluster(
    stage: Stage, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(stage.amd.cluster.host_kubeconfig))
    known, found = Facts(_plan({}), Cluster.connect(kubeconfig.read()), state), []
    for path, change in EVERY_SETTING.items():
        serving = stack_file(release=RELEASE, rdma={"resource": "rdma/ib"}, model__tokenSecret=None)
        at = "routing.selectivePd" if path.startswith("routing.selectivePd") else path
        for given, value in {**change.given, at: change.value}.items():
            serving = with_setting(serving, given, value)
        facts = replace(known, plan=resolve(settings_of(serving)[0], None))  # asks only for what is different
        several = [*admission.check(facts), *changed_pods.check(facts)]
        found += [f"{path}: {each.text()}" for each in several if each.severity is not Severity.NOTE]
    assert found == []
