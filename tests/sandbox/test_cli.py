"""The commands as a user types them, in a copy of this checkout. Tests build on each other."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import __main__ as commands
from sandbox.cluster import lifecycle
from sandbox.engine import backend
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home
from sandbox.progress import Progress
from tests.sandbox import running

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".sandbox", "__pycache__", ".*_cache")


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout under git, with its own sandbox."""

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


def copied(folder: Path) -> Checkout:
    """A copy of this work tree with everything committed."""
    shutil.copytree(CHECKOUT, folder, ignore=LEFT_OUT)
    checkout = Checkout(folder)
    checkout.git("init", "--quiet")
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--message", "as it is")
    return checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    checkout = copied(tmp_path_factory.mktemp("cli") / "checkout")
    try:
        yield checkout
    finally:
        lifecycle.throw_away(checkout.home, Progress())


@pytest.fixture(scope="module")
def deployed(checkout: Checkout) -> str:
    """Output of the first `up`."""
    return checkout.run("up", "--stack", "amd")


def test_up_prints_pods_nodes_gpus_and_next_commands(checkout: Checkout, deployed: str) -> None:
    output = deployed[deployed.index("Sandbox 'cli'") :]
    assert output.count("Ready, 1 GPU\n") == 4
    assert output.count("Ready, 4 GPUs\n") == 1
    assert "llm-d-pd/gaie-pd-epp-" in output
    used = [int(line.split()[1]) for line in output.splitlines() if "amd.com/gpu in use" in line]
    assert len(used) == 2
    assert sum(used) == 8
    assert "inferencePool" in deployed
    assert "make destroy STACK=amd" in output
    assert "waits" not in output


def test_up_ends_with_an_answer_and_its_path(checkout: Checkout, deployed: str) -> None:
    output = deployed[deployed.index("POST http://127.0.0.1:") :]
    assert re.findall(r"^(?:  |→ )(\w+) ", output, re.MULTILINE) == ["gateway", "picker", "prefill", "decode"], output
    assert "Any OpenAI client works with base URL http://127.0.0.1:" in output


def test_status_prints_pods_and_outputs(checkout: Checkout, deployed: str) -> None:
    output = checkout.run("status")
    assert output.count("Ready, 1 GPU\n") == 4
    assert "outputs of stack amd" in output
    assert "inferencePool: gaie-pd" in output


def test_preview_shows_changes_and_passes_pulumis_exit_code(checkout: Checkout, deployed: str) -> None:
    changed = ["--set", "serving.decode.replicas=2"]
    output = checkout.run("preview", "--stack", "amd", *changed, "--", "--expect-no-changes", code=7)
    assert "~ replicas: 1 => 2" in output
    output = checkout.run("preview", "--stack", "amd", "--set", "serving.decode.replicas=-1", code=1)
    assert "serving.decode.replicas = -1" in output
    output = checkout.run("preview", "--stack", "amd", "--set", "serving[x=1", code=1)
    assert "--set serving[x=1 was refused" in output
    assert "Previewing" not in output
    checkout.run("preview", "--stack", "amd", "--set", "serving.decode.replicas=1", "--", "--expect-no-changes")


def test_the_shell_has_pulumi_and_the_cluster_and_passes_its_exit_code(checkout: Checkout, deployed: str) -> None:
    script = 'pulumi stack output model --stack amd; echo "$KUBECONFIG"; pwd; exit 9'
    output = checkout.run("shell", "--stack", "amd", "--", "-c", script, code=9)
    assert "amd/Llama-3.3-70B-Instruct-FP8-KV\n" in output
    assert f"{checkout.home.kubeconfig}\n{checkout.home.view}\n" in output


@pytest.mark.thorough
def test_objects_are_back_after_down_and_up(checkout: Checkout, deployed: str) -> None:
    assert "is stopped" in checkout.run("down")
    assert not running.processes(checkout.home)
    assert "make up" in checkout.run("status", code=1)
    assert "wasn't running" in checkout.run("down")
    checkout.run("preview", "--stack", "amd", "--", "--expect-no-changes")
    assert checkout.run("status").count("Ready, 1 GPU\n") == 4


def wait_for(text: str, command: subprocess.Popen[str]) -> str:
    """Read a command's output up to and including the line with `text`."""
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


def nothing_is_left(checkout: Checkout, before: Set[int]) -> bool:
    """Wait for the end of all processes that began after `before`. A container that just starts has one briefly."""
    return running.soon(lambda: not running.processes(checkout.home, pods=False).keys() - before, 30)


TOO_MANY = ("up", "--stack", "amd", "--nodes", "1", "--set", "serving.prefill.replicas=5")
ADVICE = "serving.prefill.replicas or serving.prefill.tensorParallel"


@pytest.mark.thorough
def test_up_reports_the_pending_pod_while_it_waits_and_ctrl_c_leaves_nothing(checkout: Checkout, deployed: str) -> None:
    before = running.processes(checkout.home, pods=False).keys()
    command = checkout.start(*TOO_MANY)
    said = wait_for(ADVICE, command)
    assert "Insufficient amd.com/gpu" in said
    os.killpg(command.pid, signal.SIGINT)
    said, _ = command.communicate(timeout=60)
    assert command.returncode != 0
    assert "Traceback" not in said
    assert nothing_is_left(checkout, before)
    assert ADVICE in checkout.run("status")


@pytest.mark.thorough
def test_the_next_up_repairs_a_killed_one(checkout: Checkout, deployed: str) -> None:
    before = running.processes(checkout.home, pods=False).keys()
    command = checkout.start(*TOO_MANY)
    wait_for(ADVICE, command)  # the pod may wait since an earlier run; the lock proves that this one has begun
    assert running.soon(lambda: bool(backend.stale_locks(checkout.home, "amd")))
    os.killpg(command.pid, signal.SIGKILL)
    command.communicate(timeout=60)
    assert nothing_is_left(checkout, before)
    checkout.start("verify", "--stack", "amd").communicate(timeout=180)
    assert backend.stale_locks(checkout.home, "amd"), "a command that only looks takes nothing back"
    output = checkout.run("up", "--stack", "amd", "--nodes", "2", "--set", "serving.prefill.replicas=4")
    assert "An earlier run was killed" in output
    assert output.count("Ready, 1 GPU\n") == 4


def test_destroy_deletes_every_object_and_down_purge_everything_else(checkout: Checkout, deployed: str) -> None:
    checkout.run("destroy", "--stack", "amd")
    output = checkout.run("status")
    assert "0 of 8 amd.com/gpu in use" in output
    assert "llm-d-pd/" not in output
    assert "outputs" not in output
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
        (["pr-diff", "--base", "no-such-branch"], "BASE=no-such-branch is no commit"),
    ],
)
def test_an_error_is_one_screen_without_a_traceback(
    words: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.main(words) == 1
    said = capsys.readouterr().err
    assert wanted in said
    assert len(said.splitlines()) < 10


def test_an_error_about_an_unknown_stack_names_existing_ones(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    said = checkout.run("preview", "--stack", "tpu", code=1)
    assert "amd, nvidia" in said
    assert not checkout.home.root.exists()  # nothing was started
    assert "Traceback" not in said


def test_on_other_systems_than_linux_the_error_names_alternatives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxError, match=r"(?s)needs Linux.*darwin.*kind"):
        lifecycle.start(Home.of(tmp_path, "mac"), {}, Progress())


@pytest.mark.thorough
def test_without_namespaces_up_reports_simulated_readiness(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(lifecycle.NO_NAMESPACES, "1")
    checkout.run("down", "--purge")
    output = checkout.run("up", "--stack", "nvidia")
    assert "READINESS IS SIMULATED" in output
    assert output.count("Ready, 1 GPU\n") == 4
    assert "chat/completions" not in output, "no server would answer"
    checkout.run("down", "--purge")


CHANGE = """    decode:
      cpu: 12
    prefill:
      replicas: 2
      tensorParallel: 2
"""
"""The change of the amd stack in docs/reviewing.md."""
COUNT = re.compile(r"\d+ unchanged")
"""This number changes with every new object of the program."""


@pytest.mark.thorough
def test_sections_of_a_new_a_broken_and_a_changed_stack(tmp_path: Path) -> None:
    """One run for three stacks; docs/reviewing.md shows the first one's section."""
    checkout = copied(tmp_path / "checkout")
    amd, new, broken = (checkout.folder / f"Pulumi.{name}.yaml" for name in ("amd", "new", "broken"))
    new.write_text(amd.read_text())
    broken.write_text(amd.read_text().replace("accelerator: amd", "accelerator: amp"))
    amd.write_text(amd.read_text() + CHANGE)
    output = tmp_path / "diff.md"
    stacks = [word for name in ("new", "broken", "amd") for word in ("--stack", name)]
    checkout.run("pr-diff", "--base", "HEAD", *stacks, "--output", str(output), code=1)
    text = output.read_text()
    commit = checkout.git("rev-parse", "HEAD")[:12]
    assert f"What this change would do to a stack of HEAD (`{commit}`), deployed in the sandbox." in text
    assert "sandbox-placeholder" not in text

    added, failed, changed = text.split("### Stack ")[1:]
    assert "to create, 0 unchanged" in added and "<b>create</b> ClusterRole gaie-pd-llm-d-pd-epp" in added
    assert failed.startswith("`broken`: the preview failed") and "serving.accelerator = amp" in failed
    page = (CHECKOUT / "docs/reviewing.md").read_text()
    assert COUNT.sub("", page).endswith("### Stack " + COUNT.sub("", changed)), changed
    assert "".join(f"+{line}\n" for line in CHANGE.splitlines()) in page
    assert not (checkout.folder / ".sandbox/cli-review").exists()
