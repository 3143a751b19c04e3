"""Every how-to of CONTRIBUTING.md, applied to a copy of the tree, has the described result."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, blocks
from tests.field.cases import lacking

COPIED = (
    *("access", "components", "preflight", "sizing", "verify", "policy", "sandbox", "tests", "docs"),
    *("__main__.py", "Pulumi.yaml", "Pulumi.amd.yaml", "pyproject.toml"),
)
IN_ORDER = ("vendor", "infrastructure", "provider", "provider's rest", "release", "setting", "rename")
HOW_TO = {name: number for number, name in enumerate(IN_ORDER)}
MODEL = {"name": "meta-llama/Llama-3.3-70B-Instruct"}

RUN = """
import json, pulumi, sys
from components.accelerators import page as accelerators
from components.config import schema
from components.gateways import page as gateways
from components.infrastructures import page
from tests.recorder import run_program
schema.main([])
accelerators.main([])
page.main([])
gateways.main([])
runs = []
for serving in sys.argv[1:]:
    try:
        recorder = run_program(json.loads(serving))
    except pulumi.RunError as error:
        runs.append({"refused": str(error)})
        continue
    aliases = {each.name: [alias.spec.name for alias in each.request.aliases] for each in recorder.declared.values()}
    runs.append({"objects": recorder.objects, "aliases": aliases})
print(json.dumps(runs))
"""


class Copy:
    """A copy of the tree, with some of the how-tos followed."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        for each in COPIED:
            source = ROOT / each
            if source.is_dir():
                shutil.copytree(source, folder / each, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
            else:
                shutil.copy(source, folder)
        changes = [block for block in blocks("diff") if block.page.name == "CONTRIBUTING.md"]
        assert len(changes) == len(HOW_TO)
        for name in names:
            applied = self._call("git", "apply", "-", text=changes[HOW_TO[name]].text)
            assert applied.returncode == 0, f"{name}: {applied.stderr}"

    def python(self, *words: str) -> str:
        """What Python prints in the copy; it must succeed."""
        ended = self._call(sys.executable, *words)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def program(self, *stacks: dict[str, Any]) -> list[Any]:
        """Write the copy's docs; what its program declares for each of these settings, or why it refuses them."""
        runs: list[Any] = json.loads(self.python("-c", RUN, *map(json.dumps, stacks)))
        return runs

    def _call(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=self.folder, input=text, capture_output=True, text=True, check=False)


def vllm(run: Any, tier: str) -> Any:
    """The vLLM container of a tier."""
    deployment = run["objects"][f"Deployment/ms-pd-llm-d-modelservice-{tier}"]
    return deployment["spec"]["template"]["spec"]["containers"][0]


STACKS: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("how-tos.yaml").read_text())


@dataclass(frozen=True)
class Followed:
    """A copy with the how-tos that do not touch each other, and what its program declares for each of STACKS."""

    copy: Copy
    runs: dict[str, Any]

    def text(self, path: str) -> str:
        return (self.copy.folder / path).read_text()


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    copy = Copy(tmp_path_factory.mktemp("copy"), "vendor", "provider", "release", "setting", "rename")
    runs = copy.program(*(said["settings"] for said in STACKS.values()))
    return Followed(copy, dict(zip(STACKS, runs, strict=True)))


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_with_the_how_tos_followed(followed: Followed, name: str) -> None:
    said, run = STACKS[name], followed.runs[name]
    if "refused" in said:
        assert [reason for reason in said["refused"] if reason not in run["refused"]] == []
    else:
        assert list(lacking(said["deployed"], run["objects"])) == []


def test_a_vendors_workers_have_nothing_of_other_vendors(followed: Followed) -> None:
    for tier in ("prefill", "decode"):
        worker = vllm(followed.runs["a vendor"], tier)
        assert worker["resources"]["limits"].keys() == {"cpu", "memory", "gpu.intel.com/xe"}
        assert not re.search("amd|nvidia|cuda|rocm|hip", json.dumps([*worker["args"][1:], *worker["env"]]).lower())


def test_the_absence_of_a_setting_and_of_a_part_of_a_release(followed: Followed) -> None:
    assert "--max-num-seqs" not in str(vllm(followed.runs["nothing set"], "decode")["args"])
    config = followed.runs["a release"]["objects"]["ConfigMap/gaie-pd-epp"]["data"]["pd-config.yaml"]
    assert "featureGates" not in config


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("settings", "`amd` `intel` `nvidia`"),
        ("settings", "`openshift-default` `standalone`"),
        ("settings", "| `0.10` `0.9` `0.7` `0.6` `0.4` | `0.9` |"),
        ("settings", "`serving.decode.maxNumSeqs` | 1 or more"),
        ("accelerators", "`ghcr.io/llm-d/llm-d-xpu:v0.6.0`; runs as root, HOME `/root`"),
        ("accelerators", "| memory of a GPU, GiB | unknown |"),
        ("gateways", "| [`openshift-default`](#openshift-default) | `openshift-default` |"),
    ],
)
def test_the_generated_pages_have_what_was_added(followed: Followed, page: str, text: str) -> None:
    assert text in followed.text(f"docs/{page}.md")


def test_the_vendors_stack_file_is_a_good_one(followed: Followed) -> None:
    document = yaml.safe_load(followed.text("Pulumi.intel.yaml"))
    [run] = followed.copy.program(document["config"]["llm-d-pd:serving"])
    assert vllm(run, "decode")["resources"]["limits"]["gpu.intel.com/xe"] == "1"
    assert "--block-size=64" in vllm(run, "decode")["args"]


def test_a_vendor_is_one_file_and_one_line() -> None:
    added = _added("vendor")
    assert added.keys() == {
        "Pulumi.intel.yaml",
        "components/accelerators/intel.py",
        "components/config/vocabulary.py",
    }
    assert added["components/config/vocabulary.py"] == ['INTEL = "intel"']


@pytest.mark.thorough
def test_an_infrastructure(tmp_path: Path) -> None:
    copy = Copy(tmp_path, "infrastructure")
    stack = {"model": MODEL, "infrastructure": "tensorwave"}
    amd, nvidia, off = copy.program(
        {**stack, "accelerator": "amd"},
        {**stack, "accelerator": "nvidia"},
        {**stack, "accelerator": "amd", "decode": {"rdma": None}},
    )
    for tier in ("prefill", "decode"):
        assert vllm(amd, tier)["resources"]["limits"]["rdma/ib"] == "1"
        assert {"name": "UCX_TLS", "value": "self,sm,rocm,rc"} in vllm(amd, tier)["env"]
        assert vllm(amd, tier)["securityContext"] == {"capabilities": {"add": ["IPC_LOCK"]}}
    assert "serving.accelerator: nvidia (amd: TensorWave has AMD GPUs)" in nvidia["refused"]
    assert "serving.decode.rdma = null" in off["refused"]
    words = "`digitalocean` `tensorwave` `none`"
    assert words in (tmp_path / "docs/settings.md").read_text()
    text = (tmp_path / "docs/infrastructure.md").read_text()
    row = f"| [`tensorwave`](#tensorwave) | RDMA, moved by UCX |{' yes |' * 4}{' refused |' * 4} yes |"
    assert row in text
    assert "| UCX `UCX_TLS` | `self,sm,rocm,rc` | without `tcp` a broken fabric fails loudly |" in text


def _added(name: str) -> dict[str, list[str]]:
    """The lines that a how-to adds, by file; no how-to that is asked changes one that exists."""
    changes = [block for block in blocks("diff") if block.page.name == "CONTRIBUTING.md"]
    added: dict[str, list[str]] = {}
    for line in changes[HOW_TO[name]].text.splitlines():
        if line.startswith("+++ "):
            added[line.removeprefix("+++ b/")] = []
        elif line.startswith("+"):
            added[[*added][-1]].append(line[1:].strip())
        assert line.startswith("--- ") or not line.startswith("-"), "nothing that exists is changed"
    return added


def test_a_gateway_provider_is_one_file_and_its_entry_in_the_table() -> None:
    added = _added("provider")
    assert added.keys() == {
        "components/config/vocabulary.py",
        "components/gateways/__init__.py",
        "components/gateways/openshift_default.py",
        "components/gateways/page.yaml",
    }
    assert added["components/config/vocabulary.py"] == ['OPENSHIFT_DEFAULT = "openshift-default"']
    assert added["components/gateways/__init__.py"] == [
        "openshift_default,",
        "Provider.OPENSHIFT_DEFAULT: openshift_default.RELEASES,",
    ]


@pytest.mark.thorough
def test_a_gateway_provider_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    copy = Copy(tmp_path, "provider", "provider's rest")
    copy.python("-m", "components.plan.combinations")
    copy.python("-m", "components.gateways.page")
    assert "\n## openshift-default\n" in (tmp_path / "docs/combinations.md").read_text()
    whole = ("tests/plan/test_combinations.py", "tests/plan/test_providers.py", "tests/corpus")
    copy.python("-m", "pytest", "-q", *whole, "-p", "no:cacheprovider")
    every = ("tests/program/test_gateways.py", "tests/preflight/test_declared.py", "tests/program/test_isolation.py")
    copy.python("-m", "pytest", "-q", *every, "-k", "openshift-default", "-p", "no:cacheprovider")


def test_a_rename(followed: Followed) -> None:
    run = followed.runs["nothing set"]
    assert "inference-pool-pool" in run["aliases"]["inference-pool-workers"]
    assert "InferencePool/gaie-pd" in run["objects"], "the object keeps its name"
    before = (ROOT / "tests/expected/urns.txt").read_text().splitlines()
    after = followed.text("tests/expected/urns.txt").splitlines()
    assert len(set(before) ^ set(after)) == 2


@pytest.mark.thorough
def test_together_they_are_typed_and_clean(tmp_path: Path) -> None:
    copy = Copy(tmp_path, *HOW_TO)
    copy.python("-m", "ruff", "check", "components")
    copy.python("-m", "ruff", "format", "--check", "components")
    copy.python("-m", "mypy", "components", "__main__.py")
    copy.python("-m", "pytest", "-q", "tests/plan/test_resolve.py", "-p", "no:cacheprovider")
