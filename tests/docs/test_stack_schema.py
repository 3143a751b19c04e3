"""The JSON schema of stack files accepts and refuses the same files as the program."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from components.config.schema import pages, stack_schema
from tests.corpus.stacks import accepted, corpus
from tests.docs.stack_text import SCHEMA, problems_in
from tests.stack_file import stack_file

ROOT = Path(__file__).resolve().parents[2]
TOKEN = {"secure": "AAABAMtlK1h2V3JpdHRlbiBieSBQdWx1bWk="}

EXAMPLES: dict[str, Any] = {
    "rdma": {"resource": "rdma/ib"},
    "toleration": [{"key": "amd.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "host_path": [{"hostPath": "/dev/infiniband", "mountPath": "/dev/infiniband", "type": "Directory"}],
}

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
"""Refused by both, as are those of `tests/corpus/files/settings.yaml`."""

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
    "a transport that UCX does not know": {"ucx__tls": "self,rocm,rdma", "release": "0.6"},
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


@pytest.mark.parametrize("serving", accepted(), ids=lambda serving: str(serving)[:60])
def test_both_accept(serving: dict[str, Any]) -> None:
    text = file_with(serving)
    assert [problem.text() for problem in problems_in(text)] == []
    SCHEMA.validate(yaml.safe_load(text))


WRONG = [each.config["llm-d-pd:serving"] for each in corpus() if each.name.startswith("settings-")]


@pytest.mark.parametrize("serving", [*(stack_file(**each) for each in BAD), *WRONG], ids=lambda each: str(each)[:60])
def test_both_refuse(serving: dict[str, Any]) -> None:
    text = file_with(serving)
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
