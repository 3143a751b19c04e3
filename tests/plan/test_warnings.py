"""Legal settings that may be a mistake: accepted, with a warning that names the setting."""

from typing import Any

import pytest

from components.plan import resolve
from tests.stack_file import problems, settings

NETWORKS = "k8s.v1.cni.cncf.io/networks"
CERTIFICATE = "service.beta.openshift.io/serving-cert-secret-name"
ONE_RAIL = '[{"name":"r","interface":"net1"}]'
OPENSHIFT = {"gateway__provider": "data-science-gateway"}


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        (
            {"prefill__rollout": {"startupBudget": 100, "terminationGrace": 20, "updateTimeout": 480}},
            "serving.prefill.rollout.updateTimeout",
            "4 x (grace 20 s + start-up budget 100 s)",
        ),
        ({"decode__rollout__createTimeout": 1800}, "serving.decode.rollout.createTimeout", "budget (1800 s)"),
        ({"monitoring__pickerInterval": "76s"}, "serving.monitoring.pickerInterval", "longer than 75 s"),
        ({"decode__memory": "8Gi"}, "serving.decode.memory", "/dev/shm (16Gi)"),
        (
            {
                "rdma": {"resource": "rdma/ib", "network": "rails"},
                "decode__annotations": {NETWORKS: "one"},
            },
            f'serving.decode.annotations["{NETWORKS}"]',
            'own value, [{"name":"rails","interface":"net1"}]',
        ),
        (
            {**OPENSHIFT, "gateway__service__annotations": {CERTIFICATE: "other"}},
            f'serving.gateway.service.annotations["{CERTIFICATE}"]',
            "own value, data-science-gateway-service-tls",
        ),
        (
            {"gateway__ingress": {"host": "a.example.com", "annotations": {"pulumi.com/skipAwait": "false"}}},
            'serving.gateway.ingress.annotations["pulumi.com/skipAwait"]',
            "has no effect: the program sets it to true",
        ),
        (
            {
                "gateway__provider": "standalone",
                "gateway__service": {"annotations": {"pulumi.com/skipAwait": "false"}},
            },
            'serving.gateway.service.annotations["pulumi.com/skipAwait"]',
            "has no effect: the program sets it to true",
        ),
    ],
)
def test_what_may_work_is_a_warning(changes: dict[str, Any], path: str, words: str) -> None:
    assert not problems(**changes)
    assert [path in note and words in note for note in resolve(settings(**changes)).notes] == [True]


@pytest.mark.parametrize(
    "changes",
    [
        {"decode__annotations": {NETWORKS: "one"}},
        {"rdma": {"resource": "rdma/ib", "network": "r"}, "prefill__annotations": {NETWORKS: ONE_RAIL}},
        {**OPENSHIFT, "gateway__service__annotations": {"a": "b"}},
        {
            "gateway__provider": "standalone",
            "gateway__serviceType": "LoadBalancer",
            "gateway__service": {"annotations": {"pulumi.com/skipAwait": "false"}},
        },
    ],
)
def test_annotations_beside_those_of_the_program_have_no_warning(changes: dict[str, Any]) -> None:
    assert not problems(**changes)
    assert not [note for note in resolve(settings(**changes)).notes if "annotations" in note]
