"""The situation of pods, and the setting that solves each problem."""

import re

import pytest

from sandbox import status
from sandbox.status import Situation, setting_for
from tests.docs.pages import settings


@pytest.mark.parametrize(
    ("message", "role", "settings"),
    [
        (
            "0/2 nodes are available: 2 Insufficient amd.com/gpu.",
            "prefill",
            ["prefill.replicas", "NODES", "CLUSTER"],
        ),
        ("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", "decode", ["decode.tensorParallel"]),
        ("0/2 nodes are available: 2 Insufficient rdma/ib.", "decode", ["rdma.resource", "rdma.count"]),
        (
            "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
            "decode",
            ["serving.hostNetwork", "NODES=2"],
        ),
        (
            "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.",
            "prefill",
            ["serving.hostNetwork", "NODES=2"],
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
            "prefill",
            ["prefill.nodeSelector", "prefill.affinity"],
        ),
        ("0/2 nodes are available: 2 node(s) had untolerated taint {gpu: true}.", "decode", ["decode.tolerations"]),
        (
            "0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory.",
            "decode",
            ["decode.cpu", "decode.memory"],
        ),
        ("0/2 nodes are available: 2 Insufficient ephemeral-storage.", "decode", ["model.storage"]),
        ('0/2 nodes are available: persistentvolumeclaim "weights" not found.', "decode", ["model.claim"]),
        ('pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged', None, ["createNamespace"]),
        ("no nodes available to schedule pods", None, ["make up"]),
    ],
)
def test_every_problem_names_the_setting_that_solves_it(message: str, role: str | None, settings: list[str]) -> None:
    advice = setting_for(message, role)
    assert all(setting in advice for setting in settings), advice
    assert "{role}" not in advice


def test_problems_with_rdma_and_gpus_are_not_confused() -> None:
    assert "replicas" not in setting_for("2 Insufficient rdma/ib.", "prefill")
    assert "rdma" not in setting_for("2 Insufficient amd.com/gpu.", "prefill").replace("serving.prefill", "")


def test_an_unknown_problem_has_no_advice() -> None:
    assert setting_for("the moon is full", "prefill") == "nothing in `serving` is known to change this"


def test_pods_that_the_api_server_refuses_are_listed() -> None:
    template = {"metadata": {"labels": {"llm-d.ai/role": "decode"}}}
    refused = {
        "metadata": {"namespace": "n", "name": "decode-1"},
        "spec": {"template": template},
        "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": 'violates PodSecurity "x"'}]},
    }
    [line] = [line for line in Situation([], [], [refused]).lines() if "decode-1" in line]
    assert 'n/decode-1 waits: violates PodSecurity "x"' in line
    assert "serving.security.podSecurity" in line


def test_every_setting_named_exists() -> None:
    remedies = " ".join(remedy for _, remedy in status._REMEDIES).replace(status.ROLE, "decode")
    named = set(re.findall(r"serving(?:\.\w+)+", remedies))
    assert len(named) > 10
    assert named <= settings().keys()
