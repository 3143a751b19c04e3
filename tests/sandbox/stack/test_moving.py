"""A running stack moves from release 0.6 to the default 0.9: docs/releases.md, "Moving to another release".

Engine, API server and preflight are real. No pod runs, the new EPP's neither: placed pods are Ready at once.
"""

from collections.abc import Iterator

import pytest
from kubernetes import client, config

from sandbox.cluster import crds, lifecycle
from sandbox.progress import Progress
from sandbox.toolchain import provide
from tests.sandbox.running import separate
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough
OBJECTIVES = "inferenceobjectives.llm-d.ai"
POOL = ("inference.networking.k8s.io/v1", "InferencePool", "gaie-pd", "llm-d-pd")
ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute", "llm-d-pd-disaggregation", "llm-d-pd")
OBJECTIVE = ("llm-d.ai/v1alpha2", "InferenceObjective", "gaie-pd-chat", "llm-d-pd")
SAID = 'serving.release is not set, and its default is "0.9". This stack was deployed with "0.6": this run moves it'
MOVED = {
    "prefill-deployment": "replace",
    "decode-deployment": "replace",
    "endpoint-picker-deployment": "update",
    "endpoint-picker-config": "update",
    "endpoint-picker-role": "update",
    "endpoint-picker-service": "update",
    "inference-pool-gaie-pd-chat": "delete",  # and create: the other group's is another resource of this name
    "monitoring-dashboard-serving": "update",
    "monitoring-dashboard-disaggregation": "update",
    "monitoring-alerts": "update",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Deployment]:
    with (
        separate("moving", variables={lifecycle.NO_NAMESPACES: "1"}) as simulated,
        destroyed_afterwards(deployment(simulated, "amd")) as made,
    ):
        priority = "routing__flowControl__priorities[0]"
        made.up(preflight="enforce", **{f"{priority}__name": "chat", f"{priority}__priority": 10})
        yield made


def test_crds_come_first_then_these_objects_change_and_traffic_keeps_its_way(stack: Deployment) -> None:
    definitions = client.ApiextensionsV1Api(config.new_client_from_config(str(stack.cluster.host_kubeconfig)))
    definitions.delete_custom_resource_definition(OBJECTIVES)
    stack.configure(release=None)

    refused = stack.pulumi("up", "--yes", "--skip-preview", "--color=never", ok=False)
    assert refused.returncode
    said = refused.stdout + refused.stderr
    assert SAID in said
    assert "InferenceObjective is not served in llm-d.ai/v1alpha2" in said

    crds.apply(stack.cluster.host_kubeconfig, provide(["crds"], Progress())["crds"])
    assert {name: change[0] for name, change in stack.changes().items()} == MOVED
    kept = [stack.custom(*each)["metadata"]["uid"] for each in (POOL, ROUTE)]
    stack.up()
    assert [stack.custom(*each)["metadata"]["uid"] for each in (POOL, ROUTE)] == kept
    assert stack.custom(*OBJECTIVE)["spec"]["priority"] == 10
    assert "serving.release" not in stack.pulumi("preview", "--expect-no-changes").stdout

    stack.pulumi("config", "set", "--path", "--type=string", "serving.release", "0.6")
    assert {name: change[0] for name, change in stack.changes().items()} == MOVED
