"""The amd stack on the real engine and API server, from the first `up` to `destroy`. Tests build on each other."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from kubernetes import client, config, watch

from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import Load, traffic
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards, gpus, ready

pytestmark = pytest.mark.thorough

AMD = "amd.com/gpu"
NAMESPACE = "llm-d-pd"
WORKERS = "llm-d.ai/inference-serving=true"


@pytest.fixture(scope="module")
def amd(cluster: Running) -> Iterator[Deployment]:
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        made.up()
        yield made


def test_up_makes_every_pod_ready_on_nodes_with_enough_gpus(amd: Deployment) -> None:
    prefill, decode, everything = amd.pods(role="prefill"), amd.pods(role="decode"), amd.pods()
    assert [gpus(pod, AMD) for pod in prefill] == [1, 1, 1, 1]
    assert [gpus(pod, AMD) for pod in decode] == [4]
    assert len(everything) == 7, "and one endpoint picker, one gateway"
    assert all(ready(pod) for pod in everything)
    used = Counter[str]()
    for pod in (*prefill, *decode):
        assert pod.spec.node_name in {"amd-0", "amd-1"}
        used[pod.spec.node_name] += gpus(pod, AMD)
    assert sum(used.values()) == 8
    assert max(used.values()) <= 8


def test_a_second_preview_proposes_nothing(amd: Deployment) -> None:
    amd.pulumi("preview", "--expect-no-changes")


def test_refresh_is_clean(amd: Deployment) -> None:
    amd.pulumi("refresh", "--yes", "--expect-no-changes")


def test_a_change_shows_exactly_the_field_that_changed(amd: Deployment) -> None:
    amd.configure(decode__cpu=12)
    container = "spec.template.spec.containers[0].resources"
    assert amd.changes() == {"decode-deployment": ["update", f"{container}.limits.cpu", f"{container}.requests.cpu"]}
    amd.configure(decode__cpu=None)
    assert amd.changes() == {}


def test_a_setting_of_the_picker_rolls_the_picker_only(amd: Deployment) -> None:
    before = {pod.metadata.uid for pod in amd.pods(**{"inference-serving": "true"})}
    [picker] = [pod for pod in amd.pods() if "inferencepool" in pod.metadata.labels]
    amd.configure(routing__selectivePd__nonCachedTokens=64)
    alerts = "monitoring-alerts"  # how much drift is normal depends on it
    assert set(amd.changes()) == {"endpoint-picker-config", "endpoint-picker-deployment", alerts}
    amd.up()
    assert {pod.metadata.uid for pod in amd.pods(**{"inference-serving": "true"})} == before
    [after] = [pod for pod in amd.pods() if "inferencepool" in pod.metadata.labels]
    assert after.metadata.uid != picker.metadata.uid
    amd.up(routing=None)
    amd.pulumi("preview", "--expect-no-changes")


def test_a_rotated_token_is_changed_in_place_without_a_restart(amd: Deployment) -> None:
    pods = {pod.metadata.uid for pod in amd.pods()}
    secret = amd.api.read_namespaced_secret("llm-d-hf-token", "llm-d-pd").metadata.uid
    amd.pulumi("config", "set", "--secret", "hfToken", "rotated")
    assert set(amd.changes()) == {"serving-namespace-token"}
    amd.up()
    after = amd.api.read_namespaced_secret("llm-d-hf-token", "llm-d-pd")
    assert (after.metadata.uid, after.data) == (secret, {"HF_TOKEN": "cm90YXRlZA=="})
    assert {pod.metadata.uid for pod in amd.pods()} == pods


def test_host_network_mode_takes_two_nodes_and_gives_them_back(amd: Deployment) -> None:
    amd.up(hostNetwork=True)
    [prefill], [decode] = amd.pods(role="prefill"), amd.pods(role="decode")
    assert {prefill.spec.node_name, decode.spec.node_name} == {"amd-0", "amd-1"}
    for pod in (prefill, decode):
        assert ready(pod)
        assert gpus(pod, AMD) == 8
        assert pod.spec.host_network
        assert pod.spec.dns_policy == "ClusterFirstWithHostNet"
        assert pod.spec.containers[0].security_context.privileged
        assert "rdma/ib" not in pod.spec.containers[0].resources.limits
    namespace = amd.api.read_namespace("llm-d-pd")
    assert namespace.metadata.labels["pod-security.kubernetes.io/enforce"] == "privileged"
    amd.pulumi("preview", "--expect-no-changes")
    with traffic(amd) as gateway:
        assert gateway.counted(lambda: gateway.complete("a prompt on two nodes", gateway.model)).totals == (1, 1)
    amd.up(hostNetwork=None)
    assert len(amd.pods(role="prefill")) == 4
    amd.pulumi("preview", "--expect-no-changes")


def test_pods_of_another_shape_replace_their_tier(amd: Deployment) -> None:
    """A rolling update could wait endlessly for GPUs that pods of the old shape hold."""
    amd.configure(decode__tensorParallel=2, decode__replicas=2)
    assert {name: change[0] for name, change in amd.changes().items()} == {"decode-deployment": "replace"}
    amd.up()
    assert [gpus(pod, AMD) for pod in amd.pods(role="decode")] == [2, 2]
    amd.up(decode=None)


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
    """Old and new workers can't exchange KV blocks."""
    before = deployments(amd)
    amd.configure(model__blockSize=64)
    assert {name: change[0] for name, change in amd.changes().items()} == {
        "prefill-deployment": "replace",
        "decode-deployment": "replace",
    }
    preview = amd.pulumi("preview", "--color=never").stdout
    assert "all at once, because old and new workers cannot exchange KV blocks" in preview
    assert "--block-size: 128 → 64" in preview
    assert "an outage of at most 30 minutes, which begins when the last old worker has finished its requests" in preview
    with serving_together(amd) as seen, traffic(amd) as gateway:
        load = Load(gateway.port, gateway.model, 4, tokens=20)
        with load.running():
            amd.up()
            assert soon(lambda: not any(one.trouble for one in load.requests[-8:]))
    failed = [one for one in load.requests if one.trouble]
    begun, ended = failed[0].begun, failed[-1].ended
    print(f"--- outage: {ended - begun:.1f} s, {len(failed)} of {len(load.requests)} requests")
    assert 0 < ended - begun < 30 * 60
    assert [one for one in load.requests if begun < one.begun and one.ended < ended and not one.trouble] == []
    assert [one.trouble for one in failed if "HTTP" not in one.trouble] == [], "a request under way was cut"
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


def test_destroy_leaves_nothing_behind(amd: Deployment) -> None:
    assert {"ClusterRole//gaie-pd-llm-d-pd-epp", "Namespace//llm-d-pd"} <= amd.objects()
    amd.pulumi("destroy", "--yes", "--skip-preview")
    assert amd.objects() == set()
    assert "llm-d-pd" not in {each.metadata.name for each in amd.api.list_namespace().items}
