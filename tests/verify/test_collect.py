"""The report for a maintainer: what is in it, and that planted secrets and addresses are not."""

from typing import Any

import pytest

from tests.verify.fake import APPS, CORE, NAMESPACE, FakeCluster, named
from verify import collect
from verify.redaction import Redaction, without_secrets

TOKEN = "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ0123"
SECRETS = (
    TOKEN,
    "correct-horse",
    "s3cr3t-of-the-proxy",
    "eyJhbGciOi.eyJpc3MiOiJr.c2lnbmF0dXJl",
    "MIIEvQIBADANBg",
    "k-9f8e7d6c5b",
)
ADDRESSES = (
    "10.244.3.17",
    "192.168.7.200",
    "fd00:10:244::5",
    "fe80::1ff:fe23:4567:890a",
    "ip-10-0-1-2.ec2.internal",
    "api.prod.example.com",
    "registry.corp.example.net",
    "arn:aws:eks:eu-west-1:123456789012:cluster/prod",
    "ops@example.com",
)
LOG = f"""
INFO 11-28 10:00:01 [api_server.py:1] vLLM API server version 0.17.1
INFO non-default args: {{'api_key': ['correct-horse'], 'model': 'meta/llama', 'max_tokens': 16}}
GET http://user:s3cr3t-of-the-proxy@registry.corp.example.net:8443/v2 error
WARNING Authorization: Bearer eyJhbGciOi.eyJpc3MiOiJr.c2lnbmF0dXJl
ERROR NIXL handshake with 10.244.3.17:5600 failed, peer fd00:10:244::5, link fe80::1ff:fe23:4567:890a%eth0
error: -----BEGIN PRIVATE KEY-----
MIIEvQIBADANBg error
-----END PRIVATE KEY-----
ucp_context_0 inter-node cfg#2 rma(rc_mlx5/mlx5_0:1) at 11:22:33 from 10.244.3.17, token={TOKEN}
an ordinary line
WARNING write to ops@example.com, password: correct-horse
"""


def pod() -> dict[str, Any]:
    env = [
        {"name": "UCX_TLS", "value": "rc,tcp"},
        {"name": "VLLM_API_KEY", "value": "k-9f8e7d6c5b"},
        {"name": "MY_OWN", "value": "s3cr3t-of-the-proxy"},
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "HF_TOKEN"}}},
    ]
    container = {
        "name": "vllm",
        "image": "registry.corp.example.net/llm-d-cuda:v0.6.0",
        "args": ["--port=8000"],
        "env": env,
    }
    last = {"terminated": {"exitCode": 1, "reason": "Error"}}
    status = {"name": "vllm", "ready": True, "state": {"running": {}}, "lastState": last, "restartCount": 2}
    return named(
        "decode-1",
        spec={"containers": [container], "nodeName": "ip-10-0-1-2.ec2.internal"},
        status={"podIP": "10.244.3.17", "containerStatuses": [status]},
    )


def node() -> dict[str, Any]:
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    addresses = [{"type": "InternalIP", "address": "192.168.7.200"}]
    info = {"kubeletVersion": "v1.34.1", "kernelVersion": "6.8.0"}
    status = {"addresses": addresses, "nodeInfo": info, "allocatable": {"nvidia.com/gpu": "8"}}
    return {"metadata": {"name": "ip-10-0-1-2.ec2.internal", "labels": labels}, "status": status}


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(collect, "_pulumi", lambda *words: "v3.259.0")
    event = {
        "metadata": {},
        "type": "Warning",
        "reason": "Failed",
        "message": "pull https://registry.corp.example.net/v2: dial 192.168.7.200:443",
        "involvedObject": {"kind": "Pod", "name": "decode-1"},
        "lastTimestamp": "2026-11-28T10:00:00Z",
    }
    answers = {
        "/api/v1/nodes": [node()],
        "/version": {"gitVersion": "v1.34.1"},
        f"{CORE}/pods": [pod()],
        f"{CORE}/events": [event],
        f"{CORE}/configmaps": [
            named("epp", data={"pd.yaml": "kind: EndpointPickerConfig"}),
            named("other", data={"k": "correct-horse"}),
        ],
    }
    cluster = FakeCluster(answers, {"decode-1/vllm": LOG}, forbids=(f"{APPS}/replicasets",))
    cluster.server = "https://api.prod.example.com:6443"
    settings = {"llm-d-pd:serving": {"model": {"name": "meta/llama"}}, "llm-d-pd:hfToken": "(removed)"}
    verification = "ok prefill, asked https://api.prod.example.com:6443"
    return collect.text(cluster, NAMESPACE, settings, verification, hide=[ADDRESSES[7]])


@pytest.mark.parametrize("planted", [*SECRETS, *ADDRESSES])
def test_no_planted_secret_and_no_address_is_in_the_report(report: str, planted: str) -> None:
    assert planted not in report


def test_the_report_has_what_a_maintainer_needs(report: str) -> None:
    for needed in (
        "Pulumi CLI: v3.259.0",
        "Kubernetes: v1.34.1",
        "nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3",
        "name: meta/llama",
        "decode-1 vllm: ended 2 times, last with code 1",
        "Warning Failed Pod/decode-1 x1: pull https://host-",
        "llm-d-cuda:v0.6.0",
        "value: rc,tcp",
        "kind: EndpointPickerConfig",
        "vLLM API server version 0.17.1",
        "max_tokens'': 16",
        "rma(rc_mlx5/mlx5_0:1) at 11:22:33 from address-",
        "decode-1 vllm (previous)",
        "replicasets is forbidden",
    ):
        assert needed in report, needed
    assert "an ordinary line" not in report


def test_an_address_has_the_same_name_everywhere() -> None:
    redacted = Redaction(hosts=["node-7.internal"])
    assert redacted("10.0.0.1 and 10.0.0.2, then 10.0.0.1:80") == "address-1 and address-2, then address-1:80"
    assert (
        redacted("node-7.internal:10250 127.0.0.1 0.0.0.0 v1.2.3 12:30:45")
        == "host-1:10250 127.0.0.1 0.0.0.0 v1.2.3 12:30:45"
    )
    assert redacted("http://gaie-pd-epp.llm-d-pd.svc:9002") == "http://gaie-pd-epp.llm-d-pd.svc:9002"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("--api-key=abcdefgh --port=8000", "--api-key=(removed) --port=8000"),
        ("--api-key abcdefgh", "--api-key (removed)"),
        ('"token": "abcdefgh"', '"token": "(removed)"'),
        ("max_tokens=16, prompt_tokens: 717", "max_tokens=16, prompt_tokens: 717"),
        ("8192 tokens in the KV cache", "8192 tokens in the KV cache"),
        ("Bearer abc.def", "Bearer (removed)"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkq\nAAAABBBBCCCCDDDD= x", "(removed) x"),
    ],
)
def test_values_after_telling_words_are_removed(text: str, left: str) -> None:
    assert without_secrets(text) == left
    assert without_secrets(left) == left


def test_the_context_is_that_of_the_settings() -> None:
    assert collect.context_of({"llm-d-pd:serving": {"cluster": {"context": "prod"}}}) == "prod"
    assert collect.context_of({"llm-d-pd:serving": '{"accelerator": "amd"}'}) is None
