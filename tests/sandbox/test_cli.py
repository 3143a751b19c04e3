"""The commands as people type them, in a copy of this checkout, each step going on from the one before."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import cli, healing
from sandbox.cluster import lifecycle
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home
from sandbox.progress import Progress
from tests.sandbox import running

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".sandbox", "__pycache__", ".*_cache")


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout under git, with a sandbox of its own."""

    folder: Path

    @property
    def home(self) -> Home:
        return Home.of(self.folder, "cli")

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox", *words],
            cwd=self.folder,
            env={**os.environ, "SANDBOX": "cli"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, code: int = 0) -> str:
        command = self.start(*words)
        said, _ = command.communicate(timeout=180)
        assert command.returncode == code, said
        return said

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.test"]
        command = ["git", *identity, *words]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("cli") / "checkout"
    shutil.copytree(CHECKOUT, folder, ignore=LEFT_OUT)
    checkout = Checkout(folder)
    checkout.git("init", "--quiet")
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--message", "as it is")
    try:
        yield checkout
    finally:
        lifecycle.throw_away(checkout.home, Progress())


@pytest.fixture(scope="module")
def deployed(checkout: Checkout) -> str:
    """What `up` says the first time."""
    return checkout.run("up", "--stack", "amd")


def test_up_says_which_pods_sit_where_with_which_gpus_and_what_to_try_next(checkout: Checkout, deployed: str) -> None:
    told = deployed[deployed.index("Sandbox 'cli'") :]
    assert told.count("Ready, 1 GPU\n") == 4
    assert told.count("Ready, 4 GPUs\n") == 1
    assert "llm-d-pd/gaie-pd-epp-" in told
    used = [int(line.split()[1]) for line in told.splitlines() if "amd.com/gpu in use" in line]
    assert len(used) == 2
    assert sum(used) == 8
    assert "inferencePool" in deployed
    assert "make destroy STACK=amd" in told
    assert "waits" not in told


def test_up_ends_with_an_answer_and_the_workers_that_gave_it(checkout: Checkout, deployed: str) -> None:
    told = deployed[deployed.index("POST http://127.0.0.1:") :]
    assert re.findall(r"^(?:  |→ )(\w+) ", told, re.MULTILINE) == ["gateway", "picker", "prefill", "decode"], told
    assert "Any OpenAI client works with base URL http://127.0.0.1:" in told


def test_status_tells_the_same_with_the_outputs(checkout: Checkout, deployed: str) -> None:
    told = checkout.run("status")
    assert told.count("Ready, 1 GPU\n") == 4
    assert "outputs of stack amd" in told
    assert "inferencePool: gaie-pd" in told


def test_preview_shows_a_change_then_none_and_pulumis_exit_code_passes(checkout: Checkout, deployed: str) -> None:
    changed = ["--set", "serving.decode.replicas=2"]
    told = checkout.run("preview", "--stack", "amd", *changed, "--", "--expect-no-changes", code=7)
    assert "~ replicas: 1 => 2" in told
    told = checkout.run("preview", "--stack", "amd", "--set", "serving.decode.replicas=-1", code=1)
    assert "serving.decode.replicas = -1" in told
    told = checkout.run("preview", "--stack", "amd", "--set", "serving[x=1", code=1)
    assert "--set serving[x=1 was not taken" in told
    assert "Previewing" not in told
    checkout.run("preview", "--stack", "amd", "--set", "serving.decode.replicas=1", "--", "--expect-no-changes")


def test_the_shell_has_pulumi_and_the_cluster_and_passes_its_exit_code(checkout: Checkout, deployed: str) -> None:
    script = 'pulumi stack output model --stack amd; echo "$KUBECONFIG"; pwd; exit 9'
    told = checkout.run("shell", "--stack", "amd", "--", "-c", script, code=9)
    assert "amd/Llama-3.3-70B-Instruct-FP8-KV\n" in told
    assert f"{checkout.home.kubeconfig}\n{checkout.home.view}\n" in told


@pytest.mark.thorough
def test_it_comes_back_after_down(checkout: Checkout, deployed: str) -> None:
    assert "is stopped" in checkout.run("down")
    assert not running.processes(checkout.home)
    assert "make up" in checkout.run("status", code=1)
    assert "wasn't running" in checkout.run("down")
    checkout.run("preview", "--stack", "amd", "--", "--expect-no-changes")
    assert checkout.run("status").count("Ready, 1 GPU\n") == 4


def wait_for(text: str, command: subprocess.Popen[str]) -> str:
    """Read what a command says up to and with the line that has `text`."""
    overdue = threading.Timer(90, command.kill)
    overdue.start()
    said = ""
    assert command.stdout
    for line in command.stdout:
        said += line
        if text in line:
            overdue.cancel()
            return said
    raise AssertionError(said)


TOO_MANY = ("up", "--stack", "amd", "--nodes", "1", "--set", "serving.prefill.replicas=5")
ADVICE = "→ serving.prefill.replicas"


@pytest.mark.thorough
def test_up_tells_the_pending_pod_while_it_waits_and_ctrl_c_leaves_nothing(checkout: Checkout, deployed: str) -> None:
    before = running.processes(checkout.home, pods=False).keys()
    command = checkout.start(*TOO_MANY)
    said = wait_for(ADVICE, command)
    assert "Insufficient amd.com/gpu" in said
    os.killpg(command.pid, signal.SIGINT)
    said, _ = command.communicate(timeout=60)
    assert command.returncode != 0
    assert "Traceback" not in said
    assert running.processes(checkout.home, pods=False).keys() == before
    assert ADVICE in checkout.run("status")


@pytest.mark.thorough
def test_a_killed_up_is_healed_by_the_next(checkout: Checkout, deployed: str) -> None:
    before = running.processes(checkout.home, pods=False).keys()
    command = checkout.start(*TOO_MANY)
    wait_for(ADVICE, command)  # the pod may wait since an earlier run: this one has begun with its lock
    assert running.soon(lambda: bool(healing.stale_locks(checkout.home, "amd")))
    os.killpg(command.pid, signal.SIGKILL)
    command.communicate(timeout=60)
    assert running.processes(checkout.home, pods=False).keys() == before
    told = checkout.run("up", "--stack", "amd", "--nodes", "2", "--set", "serving.prefill.replicas=4")
    assert "An earlier run was killed" in told
    assert told.count("Ready, 1 GPU\n") == 4


def test_destroy_deletes_every_object_and_down_purge_all_else(checkout: Checkout, deployed: str) -> None:
    checkout.run("destroy", "--stack", "amd")
    told = checkout.run("status")
    assert "0 of 8 amd.com/gpu in use" in told
    assert "llm-d-pd/" not in told
    assert "outputs" not in told
    assert "gone" in checkout.run("down", "--purge")
    assert not checkout.home.root.exists()
    assert not running.processes(checkout.home)


def test_no_tracked_file_is_ever_changed(checkout: Checkout) -> None:
    assert checkout.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["up", "--stack", "amd", "--set", "serving.hostNetwork"], "path=value"),
        (["up", "--stack", "amd", "--name", "No Name"], "lower-case"),
        (["status", "--name", "not-there"], "make up"),
    ],
)
def test_an_error_is_one_screen_without_a_traceback(
    words: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 1
    said = capsys.readouterr().err
    assert wanted in said
    assert len(said.splitlines()) < 10


def test_an_unknown_stack_is_an_error_that_names_those_that_exist(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    said = checkout.run("preview", "--stack", "tpu", code=1)
    assert "amd, nvidia" in said
    assert not checkout.home.root.exists()  # nothing was started for it
    assert "Traceback" not in said


def test_elsewhere_than_on_linux_it_says_what_can(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxError, match=r"(?s)needs Linux.*darwin.*kind"):
        lifecycle.start(Home.of(tmp_path, "mac"), {}, Progress())


@pytest.mark.thorough
def test_without_namespaces_up_ends_with_simulated_readiness_and_says_so(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(lifecycle.NO_NAMESPACES, "1")
    checkout.run("down", "--purge")
    told = checkout.run("up", "--stack", "nvidia")
    assert "READINESS IS SIMULATED" in told
    assert told.count("Ready, 1 GPU\n") == 4
    assert "chat/completions" not in told, "nobody would answer"
    checkout.run("down", "--purge")
