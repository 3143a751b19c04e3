"""The JSON schema of stack files accepts and refuses the same files as the program."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from components.config.schema import pages, stack_schema
from tests.config.test_settings import WRONG
from tests.docs.stack_text import SCHEMA, problems_in
from tests.stack_file import stack_file

ROOT = Path(__file__).resolve().parents[2]
TOKEN = {"secure": "AAABAMtlK1h2V3JpdHRlbiBieSBQdWx1bWk="}

EXAMPLES: dict[str, Any] = {
    "rdma": {"resource": "rdma/ib"},
    "toleration": [{"key": "amd.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "host_path": [{"hostPath": "/dev/infiniband", "mountPath": "/dev/infiniband", "type": "Directory"}],
}

GOOD: list[dict[str, Any]] = [
    {},
    {"accelerator": "nvidia", "release": "0.4"},
    {"prefill__replicas": 2, "prefill__tensorParallel": 2, "decode__tensorParallel": 8},
    {"prefill__cpu": 12, "prefill__memory": "512Gi", "decode__cpu": 0.5, "decode__memory": "1e11"},
    {"decode__env": {"A": 1, "B": True, "C_1": "text\nlines", "D": 0.5}},
    {"decode__env": {"A": {"secret": "s3", "key": "tls.key"}, "B": {"configMap": "c", "key": "k", "optional": True}}},
    {
        "createNamespace": False,
        "decode__volumes": [
            {"name": "a", "mountPath": "/a", "claim": "a", "subPath": ".cache/x.y", "readOnly": True},
            {"name": "b", "mountPath": "/tmp", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}},
            {"name": "c", "mountPath": "/c", "csi": {"driver": "gcsfuse.csi.storage.gke.io"}},
        ],
    },
    {
        "decode__securityContext": {
            "seccompProfile": "Localhost/vllm.json",
            "dropCapabilities": ["ALL"],
            "runAsGroup": 0,
        }
    },
    {"prefill__replicas": None, "decode__rollout": {"maxSurge": 1, "maxUnavailable": 0}},
    {"prefill__resources": {"nvidia.com/rail-2": 1, "hugepages-2Mi": "512Mi"}, "decode__cpuLimit": 32},
    {"prefill__annotations": {"k8s.v1.cni.cncf.io/networks": "default/roce", "plain": 1}},
    {"rdma": {"resource": "rdma/roce_gdr", "count": "tensorParallel"}},
    {"rdma": EXAMPLES["rdma"], "prefill__rdma": None},
    {"infrastructure": "oci-amd", "rdma": {"count": 2}, "decode__rdma": {"network": "rails/rail-0"}},
    {"infrastructure": None},
    {"ucx": {"tls": "tcp, self,sm,rocm", "netDevices": "mlx5_[0-3]:1,eth0", "ibGidIndex": 3, "ibTrafficClass": "auto"}},
    {"ucx": {"tls": ["^ib", "ud"], "netDevices": ["all"], "logLevel": "info", "protoInfo": True}},
    {"routing__selectivePd": {"nonCachedTokens": 64}, "routing__failureMode": "FailClose"},
    {"routing__selectivePd": "always", "routing__tolerations": EXAMPLES["toleration"]},
    {"model__claim": "weights", "model__path": "llama/70b", "createNamespace": False},
    {"hostNetwork": True, "gpusPerNode": 4, "decode__hostPaths": EXAMPLES["host_path"]},
    {"postfix": "blue", "createNamespace": False, "cluster": {"context": "prod", "identifier": None}},
    {"images": {"mirror": "registry.example.com:5000/ghcr", "pullPolicy": "Always"}},
    {"images__pullSecrets": ["mirror"], "createNamespace": False},
    {"decode__affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}},
    {"decode__nodeSelector": {"topology.kubernetes.io/zone": "a", "gpu": ""}},
    {"monitoring": {"enabled": False, "labels": {"release": "llmd"}, "workerInterval": "500ms"}},
    {"kvTransfer": {"connector": "NixlConnector", "extra": {"kv_buffer_device": "cpu"}}},
    {"prefill__rollout": {"startupBudget": 3600, "createTimeout": 7200}, "prefill__capabilities": ["IPC_LOCK"]},
]
"""Accepted by both."""

BAD: list[dict[str, Any]] = [
    {"accelerator": "DELETE"},
    {"accelerator": "intel"},
    {"model__name": "DELETE"},
    {"relase": "0.6"},
    {"release": 0.6},
    {"release": "0.5"},
    {"postfix": 7},
    {"postfix": "Blue"},
    {"createNamespace": "yes"},
    {"gpusPerNode": 0},
    {"prefill": None},
    {"prefill__replicas": 1.5},
    {"prefill__cpu": 0},
    {"prefill__cpu": True},
    {"prefill__sidecar": {"logLevel": "info"}},
    {"decode__sidecar": {"logLevel": "trace"}},
    {"decode__env": {"1A": "x"}},
    {"decode__env": {"A": ["x"]}},
    {"decode__env": {"A": {"secret": "s3"}}},
    {"decode__securityContext": {"seccompProfile": "Default"}},
    {"decode__securityContext": {"dropCapabilities": ["all"]}},
    {"decode__volumes": [{"name": "a", "mountPath": "a", "secret": "a"}]},
    {"decode__volumes": [{"name": "a", "mountPath": "/a", "secret": "a", "subPath": "../a"}]},
    {"decode__volumes": [{"name": "a", "mountPath": "/a", "hostPath": "/a"}]},
    {"decode__env": {"A": {"secret": "s3", "key": "a b"}}},
    {"decode__env": {"A": {"secret": "s3", "key": "k", "name": "n"}}},
    {"decode__resources": {"cpu": 1}},
    {"decode__nodeSelector": {"gpu": True}},
    {"decode__nodeSelector": {"gpu": "-x"}},
    {"decode__annotations": {"Upper.Domain/x": "y"}},
    {"decode__extraArgs": "--seed=1"},
    {"decode__affinity": {"nodeaffinity": {}}},
    {"decode__hostPaths": [{"hostPath": "dev", "mountPath": "/dev"}]},
    {"decode__hostPaths": [{"hostPath": "/dev"}]},
    {"decode__tolerations": [{"operator": "Any"}]},
    {"decode__priorityClass": "High"},
    {"rdma": {"resource": "cpu"}},
    {"infrastructure": "oci"},
    {"rdma": {"resource": "rdma/ib", "count": 0}},
    {"rdma": {"resource": "rdma/ib", "count": "all"}},
    {"rdma": "rdma/ib"},
    {"ucx__tls": "rc,Verbs"},
    {"ucx__tls": ""},
    {"ucx__netDevices": ["mlx5 0"]},
    {"ucx__ibGidIndex": 256},
    {"routing__selectivePd": "never"},
    {"routing__selectivePd": {"tokens": 16}},
    {"routing__verbosity": 11},
    {"images__mirror": "https://registry.example.com"},
    {"gateway__provider": "nginx"},
    {"monitoring__workerInterval": "30"},
    {"model__blockSize": 64.5},
    {"model__path": "/models"},
    {"model__claim": "Weights_1"},
]
"""Refused by both, as are the settings that `tests/config/test_settings.py` refuses."""

PROGRAM_ONLY: dict[str, dict[str, Any]] = {
    "two settings contradict each other: topology": {"prefill__tensorParallel": 16},
    "two settings contradict each other: host network": {"hostNetwork": True, "prefill__replicas": 2},
    "two settings contradict each other: release": {"routing__selectivePd": {"threshold": 10}},
    "two settings contradict each other: ports": {"ports__nixl": 8000},
    "two settings contradict each other: transport": {"ucx__tls": "rc"},
    "two settings contradict each other: infrastructure": {"infrastructure": "gke-roce"},
    "a device that only an infrastructure could name": {"rdma": {"count": 1}},
    "an object that says nothing": {"routing__selectivePd": {}},
    "what the program itself sets": {"decode__extraArgs": ["--port=1"]},
    "a whole number with a fraction of zero": {"prefill__replicas": 4.0},
    "a transport that UCX does not know": {"ucx__tls": "self,rocm,rdma"},
    "a ^ that is not the first of a list": {"ucx__tls": ["tcp", "^ib"]},
    "an encrypted value where anything may stand": {"kvTransfer__extra": {"key": TOKEN}},
}
"""Refused by the program, while a JSON schema cannot say it, with the reason."""

FILES: dict[str, bool] = {
    "config: {llm-d-pd:serving: SERVING, llm-d-pd:hfToken: TOKEN}": True,
    "config: {llm-d-pd:serving: SERVING, llm-d-pd:hfToken: TOKEN, pulumi:tags: {team: a}, aws:region: b}": True,
    "{config: {llm-d-pd:serving: SERVING, llm-d-pd:hfToken: TOKEN}, encryptionsalt: v1, secretsprovider: a}": True,
    "{config: {llm-d-pd:serving: SERVING, llm-d-pd:hfToken: TOKEN}, encryptedkey: abc}": True,
    "config: {llm-d-pd:serving: SERVING, llm-d-pd:hfToken: hf_abc}": False,
    "config: {llm-d-pd:serving: SERVING, llm-d-pd:hfToken: TOKEN, llm-d-pd:hostNetwork: true}": False,
    "config: {llm-d-pd:serving: SERVING, llm-d-pd:hfToken: TOKEN, kubernetes:context: prod}": False,
    "config: {llm-d-pd:serving: {secure: AAAB}, llm-d-pd:hfToken: TOKEN}": False,
    "config: {llm-d-pd:serving: amd, llm-d-pd:hfToken: TOKEN}": False,
    "config: {llm-d-pd:hfToken: TOKEN}": False,
    "encryptionsalt: v1": False,
}
"""Whole files, and whether both accept them."""


def file_with(serving: dict[str, Any]) -> str:
    return yaml.safe_dump({"config": {"llm-d-pd:serving": serving, "llm-d-pd:hfToken": TOKEN}})


def schema_accepts(text: str) -> bool:
    return bool(SCHEMA.is_valid(yaml.safe_load(text)))


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_both_accept(changes: dict[str, Any]) -> None:
    text = file_with(stack_file(**changes))
    assert [problem.text() for problem in problems_in(text)] == []
    SCHEMA.validate(yaml.safe_load(text))


@pytest.mark.parametrize("changes", [*BAD, *(each for each, *_ in WRONG if each not in PROGRAM_ONLY.values())], ids=str)
def test_both_refuse(changes: dict[str, Any]) -> None:
    text = file_with(stack_file(**changes))
    assert problems_in(text)
    assert not schema_accepts(text)


@pytest.mark.parametrize("changes", PROGRAM_ONLY.values(), ids=PROGRAM_ONLY)
def test_the_program_alone_refuses(changes: dict[str, Any]) -> None:
    text = file_with(stack_file(**changes))
    assert problems_in(text)
    assert schema_accepts(text)


@pytest.mark.parametrize(("template", "accepted"), FILES.items(), ids=FILES)
def test_whole_files(template: str, accepted: bool) -> None:
    text = template.replace("SERVING", json.dumps(stack_file())).replace("TOKEN", json.dumps(TOKEN))
    assert (not problems_in(text)) is accepted
    assert schema_accepts(text) is accepted


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("environment: [llm-d/production, {shared: {merge: false}}]", True),
        ("environment: {values: {pulumiConfig: {}}}", True),
        ("{environment: [a], config: {llm-d-pd:hfToken: {secure: AAAB}}}", True),
        ("environment: llm-d/production", False),
        ("{config: {serving: {}}, environment: [a]}", False),
        ("{environment: [a], outputs: {}}", False),
    ],
)
def test_keys_that_only_pulumi_reads(text: str, accepted: bool) -> None:
    assert schema_accepts(text) is accepted


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(stack_schema())


@pytest.mark.parametrize("file", pages(), ids=lambda file: file.name)
def test_generated_files_are_fresh(file: Path) -> None:
    assert file.read_text() == pages()[file], "run `python -m components.config.schema`"


@pytest.mark.parametrize("stack", ["amd", "nvidia"])
def test_the_stack_files_name_the_schema_and_satisfy_it(stack: str) -> None:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert json.loads((ROOT / named).read_text()) == stack_schema()
    assert schema_accepts(text)
