"""Two installs in one namespace that neither of them owns: they share it and nothing else."""

from collections.abc import Iterator

import pytest
from kubernetes.client import V1Namespace, V1ObjectMeta, V1Secret

from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import Traffic, traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards, gpus, ready

pytestmark = pytest.mark.thorough

SHARED = "shared"


@pytest.fixture(scope="module")
def both(cluster: Running) -> Iterator[tuple[Deployment, Deployment]]:
    amd, nvidia = deployment(cluster, "amd"), deployment(cluster, "nvidia")
    amd.api.create_namespace(V1Namespace(metadata=V1ObjectMeta(name=SHARED)))
    token = V1Secret(metadata=V1ObjectMeta(name="someone-elses"), string_data={"HF_TOKEN": "placeholder"})
    amd.api.create_namespaced_secret(SHARED, token)
    with destroyed_afterwards(amd), destroyed_afterwards(nvidia):
        amd.pulumi("config", "rm", "hfToken")
        amd.up(namespace=SHARED, createNamespace=False, postfix="one", model__tokenSecret="someone-elses")
        nvidia.up(namespace=SHARED, createNamespace=False, postfix="two")
        yield amd, nvidia
    amd.api.delete_namespace(SHARED)


def test_both_are_ready_on_the_nodes_of_their_vendor(both: tuple[Deployment, Deployment]) -> None:
    for stack, postfix, resource in ((both[0], "one", "amd.com/gpu"), (both[1], "two", "nvidia.com/gpu")):
        pods = stack.pods(SHARED, instance=postfix)
        assert len(pods) == 6, "without the gateway, which is the controller's"
        assert all(ready(pod) for pod in pods)
        workers = [pod for pod in pods if gpus(pod, resource)]
        assert sum(gpus(pod, resource) for pod in workers) == 8
        assert {pod.spec.node_name.partition("-")[0] for pod in workers} == {stack.stack}


def test_their_pools_select_disjoint_pods(both: tuple[Deployment, Deployment]) -> None:
    selected = []
    for stack, postfix in zip(both, ("one", "two"), strict=True):
        pool = stack.custom("inference.networking.k8s.io/v1", "InferencePool", f"gaie-{postfix}", SHARED)
        labels = pool["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        pods = stack.api.list_namespaced_pod(SHARED, label_selector=selector).items
        selected.append({pod.metadata.name for pod in pods})
        assert len(selected[-1]) == 5
    assert not selected[0] & selected[1]


def test_requests_visit_the_workers_of_their_own_stack_only(both: tuple[Deployment, Deployment]) -> None:
    with traffic(both[0], SHARED, "one") as one, traffic(both[1], SHARED, "two") as two:
        models = one.model, two.model
        for asked, idle, model in ((one, two, models[0]), (two, one, models[1])):
            before = idle.legs()

            def send(asked: Traffic = asked, model: str = model) -> None:
                for number in range(10):
                    asked.complete(words(20, f"{asked.postfix}{number}"), model)

            assert asked.counted(send, decode=10).totals == (10, 10)
            assert (idle.legs() - before).totals == (0, 0)


def test_destroying_one_leaves_the_other_and_the_namespace(both: tuple[Deployment, Deployment]) -> None:
    amd, nvidia = both
    before = nvidia.objects("llm-d.ai/instance=two")
    amd.pulumi("destroy", "--yes", "--skip-preview")
    assert soon(lambda: amd.objects("llm-d.ai/instance=one") == set())
    assert nvidia.objects("llm-d.ai/instance=two") == before
    nvidia.pulumi("preview", "--expect-no-changes")
    nvidia.pulumi("destroy", "--yes", "--skip-preview")
    assert soon(lambda: nvidia.objects() == set()), "the Gateway's Deployment follows the Gateway"
    assert amd.api.read_namespace(SHARED).status.phase == "Active"
    assert amd.api.read_namespace(SHARED).metadata.labels.keys() == {"kubernetes.io/metadata.name"}
