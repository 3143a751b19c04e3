"""Changes after which old and new workers can't exchange KV blocks replace both tiers, on the real engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from kubernetes import client, config, watch

from tests.sandbox.running import Running
from tests.sandbox.serving.traffic import traffic
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards, ready

pytestmark = pytest.mark.thorough

NAMESPACE = "llm-d-pd"
WORKERS = "llm-d.ai/inference-serving=true"


@pytest.fixture(scope="module")
def amd(cluster: Running) -> Iterator[Deployment]:
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        made.up()
        yield made


@contextmanager
def serving_together(stack: Deployment) -> Iterator[list[set[str]]]:
    """Block sizes of all Ready workers that are not ending, after every change of a worker pod."""
    api = client.CoreV1Api(config.new_client_from_config(str(stack.cluster.host_kubeconfig)))
    stream, seen, serving = watch.Watch(), list[set[str]](), dict[str, str]()

    def follow() -> None:
        for event in stream.stream(api.list_namespaced_pod, NAMESPACE, label_selector=WORKERS):
            pod = event["object"]
            serving.pop(pod.metadata.uid, None)
            if event["type"] != "DELETED" and ready(pod) and not pod.metadata.deletion_timestamp:
                serving[pod.metadata.uid] = block_size(pod)
            seen.append(set(serving.values()))

    following = Thread(target=follow, daemon=True)
    following.start()
    try:
        yield seen
    finally:
        stream.stop()


def block_size(pod: Any) -> str:
    [size] = [each for each in pod.spec.containers[0].args if each.startswith("--block-size=")]
    return str(size)


def deployments(stack: Deployment) -> set[str]:
    api = client.AppsV1Api(config.new_client_from_config(str(stack.cluster.host_kubeconfig)))
    return {
        api.read_namespaced_deployment(f"ms-pd-llm-d-modelservice-{role}", NAMESPACE).metadata.uid
        for role in ("prefill", "decode")
    }


def test_another_block_size_replaces_both_tiers_and_old_and_new_workers_never_serve_together(amd: Deployment) -> None:
    before = deployments(amd)
    amd.configure(model__blockSize=64)
    assert {name: change[0] for name, change in amd.changes().items()} == {
        "prefill-deployment": "replace",
        "decode-deployment": "replace",
    }
    preview = amd.pulumi("preview", "--color=never").stdout
    assert "all prefill and decode workers are replaced at once" in preview
    assert "--block-size: 128 → 64" in preview
    with serving_together(amd) as seen:
        amd.up()
    assert not before & deployments(amd)
    assert {"--block-size=128"} in seen
    assert {"--block-size=64"} in seen
    assert all(len(sizes) <= 1 for sizes in seen)
    with traffic(amd) as gateway:
        assert gateway.counted(lambda: gateway.complete("after the change", gateway.model)).totals == (1, 1)
    amd.pulumi("preview", "--expect-no-changes")


def test_another_number_of_workers_replaces_nothing(amd: Deployment) -> None:
    before = deployments(amd)
    amd.configure(prefill__replicas=3, decode__cpu=12)
    assert {name: change[0] for name, change in amd.changes().items()} == {
        "prefill-deployment": "update",
        "decode-deployment": "update",
    }
    amd.up()
    assert deployments(amd) == before
