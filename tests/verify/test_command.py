"""`python -m verify` without anything to verify prints one error and no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.progress import Progress
from sandbox.toolchain import provide
from verify.finding import VerifyError
from verify.outputs import Workload, parse

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = {
    "gatewayUrl": "kubectl …",
    "request": "curl …",
    "model": "amd/Llama",
    "namespace": "llm-d-pd",
    "context": "production",
    "server": "https://10.0.0.1:6443",
    "inferencePool": "gaie-pd",
    "gateway": {
        "provider": "istio",
        "name": "infra-pd-inference-gateway",
        "service": "infra-pd-inference-gateway-istio",
    },
    "release": "0.6",
    "workloads": {
        "prefill": {"name": "ms-prefill", "replicas": 4, "gpus": 4, "rdma": True},
        "decode": {"name": "ms-decode", "replicas": 1, "gpus": 4, "rdma": True},
    },
}


def verify(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "verify", *words],
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A Pulumi project with a file backend and one stack with the program's outputs and no resource."""
    pulumi = provide(["pulumi"], Progress())["pulumi"]
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: llm-d-pd\nruntime: python\n")
    environment = {
        "PATH": f"{pulumi.parent}:{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE": "none",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }
    for words in (["stack", "init", "amd"], ["stack", "init", "empty"]):
        subprocess.run(["pulumi", *words], cwd=tmp_path, env={**os.environ, **environment}, check=True)
    root = {
        "urn": "urn:pulumi:amd::llm-d-pd::pulumi:pulumi:Stack::llm-d-pd-amd",
        "custom": False,
        "type": "pulumi:pulumi:Stack",
        "outputs": OUTPUTS,
    }
    exported = json.dumps(
        {"version": 3, "deployment": {"manifest": {"time": "2026-01-01T00:00:00Z"}, "resources": [root]}}
    )
    subprocess.run(
        ["pulumi", "stack", "import", "--stack", "amd"],
        cwd=tmp_path,
        env={**os.environ, **environment},
        input=exported,
        text=True,
        check=True,
    )
    return tmp_path, environment


def test_a_missing_pulumi_cli_is_reported(tmp_path: Path) -> None:
    done = verify("--stack", "amd", cwd=tmp_path, PATH=str(tmp_path))

    assert done.returncode == 1
    assert "error: the Pulumi CLI isn't on PATH" in done.stderr


def test_missing_stack_outputs_kubeconfig_or_server_are_reported(project: tuple[Path, dict[str, str]]) -> None:
    folder, environment = project

    done = verify("--stack", "nvidia", cwd=folder, **environment)
    assert done.returncode == 1
    assert "no stack named 'nvidia' found" in done.stderr

    done = verify("--stack", "empty", cwd=folder, **environment)
    assert done.returncode == 1
    assert "nothing is deployed: `pulumi up --stack empty`" in done.stderr

    done = verify("--stack", "amd", cwd=folder, **environment)
    assert done.returncode == 1
    assert "error: no cluster to verify" in done.stderr
    assert "'production'" in done.stderr

    (folder / "kubeconfig").write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: production\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "contexts: [{name: production, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n"
    )
    done = verify("--stack", "amd", cwd=folder, **environment)
    assert done.returncode == 1
    assert "error: the API server http://127.0.0.1:1 doesn't answer" in done.stderr
    assert "Connection refused" in done.stderr
    assert "asking http://127.0.0.1:1; the stack was deployed to https://10.0.0.1:6443" in done.stdout


def test_a_folder_without_a_project_is_reported(tmp_path: Path) -> None:
    pulumi = provide(["pulumi"], Progress())["pulumi"]

    done = verify(
        "--stack", "amd", cwd=tmp_path, PATH=f"{pulumi.parent}:{os.environ['PATH']}", PULUMI_HOME=str(tmp_path)
    )

    assert done.returncode == 1
    assert "the outputs of stack 'amd' can't be read. Pulumi says:" in done.stderr


def test_outputs_are_parsed() -> None:
    read = parse("amd", json.dumps(OUTPUTS))

    assert (read.namespace, read.pool, read.context) == ("llm-d-pd", "gaie-pd", "production")
    assert read.workloads["prefill"] == Workload("ms-prefill", 4, 4, rdma=True)


def test_outputs_of_another_version_are_refused() -> None:
    with pytest.raises(VerifyError, match="no output 'inferencePool'"):
        parse("amd", json.dumps({key: value for key, value in OUTPUTS.items() if key != "inferencePool"}))
