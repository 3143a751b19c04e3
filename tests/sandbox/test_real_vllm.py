"""Real vLLM: what a machine needs, and what vLLM gets of the declared flags and variables, for every infrastructure."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from components.config.ucx import BETWEEN_PODS, WITHIN_POD
from components.config.vocabulary import Accelerator, Infrastructure
from components.infrastructures import profile
from sandbox.home import CHECKOUT
from sandbox.modelserver import environment
from sandbox.modelserver.command_line import plain
from sandbox.modelserver.real import AVAILABLE, DEVICE, NETWORK, Machine, substituted
from sandbox.toolchain.cache import Cache
from tests.recorder import plain as as_data
from tests.recorder import run_program
from tests.vllm import findings

MACHINE = Machine("/cache/models", "/cache", 1, frozenset({"lo", "eth0"}))
FLAGS = {
    "--tensor-parallel-size",
    "--kv-transfer-config",
    "--attention-backend",
    "--enforce-eager",
    "--num-gpu-blocks-override",
    "--max-num-seqs",
}
VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "SANDBOX_NIXL_PROGRESS_DELAY": "100000",
    "TORCHDYNAMO_DISABLE": "1",
    "VLLM_CACHE_ROOT": "/cache",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
}
CELLS = [(one, vendor) for one in Infrastructure for vendor in Accelerator if profile(one).has(vendor)]


def workers(infrastructure: Infrastructure, accelerator: Accelerator) -> list[dict[str, Any]]:
    """The vLLM containers of both tiers."""
    serving = {
        "accelerator": accelerator.value,
        "infrastructure": infrastructure.value,
        "model": {"name": "a/b"},
        "monitoring": {"enabled": False},
    }
    objects = as_data(run_program(serving, token="placeholder").objects)
    names = [f"Deployment/ms-pd-llm-d-modelservice-{role}" for role in ("prefill", "decode")]
    return [objects[name]["spec"]["template"]["spec"]["containers"][0] for name in names]


def flags(words: list[str]) -> dict[str, str]:
    return {word.partition("=")[0]: word.partition("=")[2] for word in words}


@pytest.mark.parametrize(("infrastructure", "accelerator"), CELLS, ids=str)
def test_vllm_gets_all_except_the_substitutions(infrastructure: Infrastructure, accelerator: Accelerator) -> None:
    for container in workers(infrastructure, accelerator):
        declared = container["args"]
        assert plain(declared, "--optimization-level") == declared
        variables = {one["name"]: one.get("value", "") for one in container["env"]}
        line, given, differences = substituted(declared, variables, MACHINE)

        assert line[0] == "/cache/models/a/b"
        before, after = flags(declared[1:]), flags(line[1:])
        assert len(after) == len(line) - 1
        assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= FLAGS
        assert [word for word in line[1:] if flags([word]).keys() - FLAGS] == [
            word for word in declared[1:] if flags([word]).keys() - FLAGS
        ]
        assert after["--enforce-eager"] == ""
        assert (after["--num-gpu-blocks-override"], after["--max-num-seqs"]) == ("256", "8")
        assert after.get("--tensor-parallel-size", "1") == "1"
        assert "--attention-backend" not in after
        transfer = json.loads(before["--kv-transfer-config"])
        used = {**transfer, "kv_buffer_device": "cpu"}
        if infrastructure is Infrastructure.AWS_EFA:
            used["kv_connector_extra_config"] = {"backends": ["UCX"]}
        assert json.loads(after["--kv-transfer-config"]) == used

        changed = {name for name, value in variables.items() if given.get(name) != value}
        assert changed <= {"UCX_TLS", "UCX_NET_DEVICES", "VLLM_CACHE_ROOT"}
        assert given.keys() - variables.keys() == VARIABLES.keys() - {"VLLM_CACHE_ROOT"}
        assert {name: given[name] for name in VARIABLES} == VARIABLES
        if tls := given.get("UCX_TLS"):
            assert "tcp" in tls.split(",")
            assert set(tls.split(",")) <= {"tcp", "self", "sm"}

        named = {one.name for one in differences}
        assert named == {name for name in FLAGS if before.get(name) != after.get(name)} | changed | VARIABLES.keys() | {
            "model"
        }


@pytest.mark.parametrize(
    ("declared", "used"),
    [
        ("rc,ud,sm,self,rocm", "tcp,sm,self"),
        ("rc,sm,cuda_ipc,cuda_copy,tcp", "tcp,sm"),
        ("self,sm", "self,sm"),  # without a transport between pods, UCX must refuse it here, too
        ("^rc", "^rc"),
        ("rcx", "rcx"),  # UCX must check it
        ("all", "all"),
    ],
)
def test_available_ucx_transports_stay(declared: str, used: str) -> None:
    assert substituted(["m"], {"UCX_TLS": declared}, MACHINE)[1]["UCX_TLS"] == used


@pytest.mark.parametrize(("declared", "used"), [("mlx5_0:1,mlx5_1:1", "eth0"), ("lo", "lo"), ("all", "all")])
def test_devices_that_the_pod_lacks_become_its_interface(declared: str, used: str) -> None:
    assert substituted(["m"], {"UCX_NET_DEVICES": declared}, MACHINE)[1]["UCX_NET_DEVICES"] == used


def test_every_transport_that_a_stack_may_name_is_known() -> None:
    assert AVAILABLE | NETWORK | DEVICE == WITHIN_POD | BETWEEN_PODS
    assert not AVAILABLE & (NETWORK | DEVICE)
    assert not NETWORK & DEVICE


@pytest.mark.parametrize(
    ("words", "used"),
    [
        ("m --max-num-seqs 4 --port=1", "--max-num-seqs 4 --port=1 --enforce-eager --num-gpu-blocks-override=256"),
        ("m --max-num-seqs 64 --x", "--max-num-seqs=8 --x --enforce-eager --num-gpu-blocks-override=256"),
        ("m --no-enforce-eager", "--enforce-eager --num-gpu-blocks-override=256 --max-num-seqs=8"),
        (
            "m --tensor-parallel-size=4 --attention-backend CPU_ATTN",
            "--tensor-parallel-size=1 --attention-backend CPU_ATTN "
            "--enforce-eager --num-gpu-blocks-override=256 --max-num-seqs=8",
        ),
    ],
)
def test_flags_in_other_spellings_are_substituted(words: str, used: str) -> None:
    assert substituted(words.split(), {}, MACHINE)[0][1:] == used.split()


def test_an_unknown_buffer_device_stays_for_vllm_to_refuse() -> None:
    words = ["m", '--kv-transfer-config={"kv_buffer_device":"xpu"}']
    assert words[1] in substituted(words, {}, MACHINE)[0]


def test_the_page_is_fresh() -> None:
    assert findings.page(findings.PAGE.read_text()) == findings.PAGE.read_text()


@pytest.mark.parametrize("proof", sorted({proof for one in findings.FINDINGS for proof in one.proofs}))
def test_the_tests_named_by_findings_exist(proof: str) -> None:
    file, _, name = proof.partition("::")
    tree = ast.parse((CHECKOUT / "tests" / file).read_text())
    assert name in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with everything that vLLM needs; each test removes one thing."""
    monkeypatch.setattr(Cache, "of_user", classmethod(lambda _: Cache(tmp_path)))
    monkeypatch.setattr(Cache, "free_gigabytes", property(lambda _: 50.0))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("sys.version_info", (3, 12, 1, "final", 0))
    monkeypatch.setattr("os.confstr", lambda _: "glibc 2.36")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(environment, "_has_namespaces", lambda: True)
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx avx2 f16c fma\n\nprocessor\t: 1\n")


@pytest.mark.usefixtures("able")
def test_a_machine_with_everything_is_fit() -> None:
    assert environment.unfit() is None
    assert not environment.lacks_instructions()


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize("line", ["flags\t\t: avx avx2 fma\n", "Features\t: fp asimd\n"])
def test_a_processor_without_the_instructions_is_unfit(tmp_path: Path, line: str) -> None:
    (tmp_path / "cpuinfo").write_text(line)
    assert environment.lacks_instructions()
    assert "f16c" in (environment.unfit() or "")


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        ("sys.version_info", (3, 14, 0, "final", 0), "3.11, 3.12, 3.13"),
        ("os.confstr", lambda _: "glibc 2.27", "2.27"),
        ("os.confstr", lambda _: None, "none"),
        ("shutil.which", lambda name: None if name == "readelf" else f"/usr/bin/{name}", "readelf"),
    ],
)
def test_each_missing_need_is_named(monkeypatch: pytest.MonkeyPatch, place: str, value: object, named: str) -> None:
    monkeypatch.setattr(place, value)
    said = environment.unfit() or ""
    assert named in said and "\n" not in said
    assert not environment.lacks_instructions()


@pytest.mark.usefixtures("able")
def test_disk_space_matters_only_before_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cache, "free_gigabytes", property(lambda _: 5.9))
    assert "5.9 GB" in (environment.unfit() or "")
    environment.place().mkdir(parents=True)
    assert environment.unfit() is None
