"""`python -m verify` without anything to verify prints one error and no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.progress import Progress
from sandbox.toolchain import provide
from tests.recorder import ROOT
from verify.finding import VerifyError
from verify.outputs import Workload, parse

OUTPUTS = json.loads(Path(__file__).with_name("outputs.json").read_text())
KUBECONFIG = """apiVersion: v1
kind: Config
current-context: production
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
contexts: [{name: production, context: {cluster: c, user: u}}]
users: [{name: u, user: {}}]
"""


def refused(folder: Path, stack: str = "amd", **environment: str) -> str:
    """What the command prints on its failure."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "verify", "--stack", stack],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables for the real Pulumi CLI with a file backend."""
    (tmp_path / "state").mkdir()
    return {
        "PATH": f"{provide(['pulumi'], Progress())['pulumi'].parent}:{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "none",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }


def test_a_missing_pulumi_cli_or_project_is_reported(tmp_path: Path, environment: dict[str, str]) -> None:
    assert "error: the Pulumi CLI isn't on PATH" in refused(tmp_path, PATH=str(tmp_path))
    said = refused(tmp_path, **environment)
    assert "the outputs of stack 'amd' can't be read. Pulumi says:" in said


def test_missing_stack_outputs_kubeconfig_or_server_are_reported(tmp_path: Path, environment: dict[str, str]) -> None:
    def pulumi(*words: str, given: str = "") -> None:
        env = {**os.environ, **environment}
        subprocess.run(["pulumi", *words], cwd=tmp_path, env=env, input=given, text=True, check=True)

    (tmp_path / "Pulumi.yaml").write_text("name: llm-d-pd\nruntime: python\n")
    pulumi("stack", "init", "empty")
    pulumi("stack", "init", "amd")
    urn, kind = "urn:pulumi:amd::llm-d-pd::pulumi:pulumi:Stack::llm-d-pd-amd", "pulumi:pulumi:Stack"
    resources = [{"urn": urn, "custom": False, "type": kind, "outputs": OUTPUTS}]
    state = {"manifest": {"time": "2026-01-01T00:00:00Z"}, "resources": resources}
    pulumi("stack", "import", given=json.dumps({"version": 3, "deployment": state}))

    assert "no stack named 'nvidia' found" in refused(tmp_path, "nvidia", **environment)
    assert "nothing is deployed: `pulumi up --stack empty`" in refused(tmp_path, "empty", **environment)
    said = refused(tmp_path, **environment)
    assert "error: no cluster to verify" in said and "'production'" in said
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    said = refused(tmp_path, **environment)
    assert "error: the API server http://127.0.0.1:1 doesn't answer" in said and "Connection refused" in said
    assert "asking http://127.0.0.1:1; the stack was deployed to https://10.0.0.1:6443" in said


def test_outputs_are_parsed_and_those_of_another_version_refused() -> None:
    read = parse("amd", json.dumps(OUTPUTS))
    assert (read.namespace, read.pool, read.context) == ("llm-d-pd", "gaie-pd", "production")
    assert read.workloads["prefill"] == Workload("ms-prefill", 4, 4, rdma=True)
    with pytest.raises(VerifyError, match="no output 'inferencePool'"):
        parse("amd", json.dumps({key: value for key, value in OUTPUTS.items() if key != "inferencePool"}))
