"""For every broken cluster, the command and `pulumi up` report the fault, and `up` makes nothing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from sandbox.cluster.api import connect
from sandbox.cluster.nodes import VENDOR_LABEL
from sandbox.engine import Engine
from sandbox.home import CHECKOUT
from tests.recorder import Recorder, run_program
from tests.sandbox.preflight.broken import CORPUS, Broken
from tests.sandbox.preflight.stage import NAMESPACE, Stage
from tests.sandbox.running import Running, soon
from tests.sandbox.stack.deployment import RELEASE, Deployment, deployment
from tests.stack_file import stack_file

pytestmark = pytest.mark.thorough

EXPECTED = yaml.safe_load((Path(__file__).resolve().parents[2] / "expected" / "preflight.yaml").read_text())


@pytest.fixture(scope="module")
def stage(cluster: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = deployment(cluster, "amd")
    file = made.engine.cwd / "Pulumi.amd.yaml"
    before = file.read_text()
    with connect(cluster.host_kubeconfig) as api:
        api.delete("/api/v1/nodes", labelSelector=f"{VENDOR_LABEL}=nvidia")  # those of a test of both vendors
        yield Stage(api, made, tmp_path_factory.mktemp("preflight"))
    file.write_text(before)


def test_every_broken_cluster_has_expected_words() -> None:
    assert {each.name for each in CORPUS} == EXPECTED.keys()


@pytest.mark.parametrize("broken", CORPUS, ids=lambda each: each.name.replace(" ", "-"))
def test_the_program_reports_the_fault_and_an_error_stops_it(
    stage: Stage, broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken.way(stage) as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig or stage.amd.cluster.host_kubeconfig))
        # A new policy is in force some time after it is made.
        assert soon(lambda: _as_expected(broken, _enforced(broken)), 15), "\n".join(_enforced(broken))


def _enforced(broken: Broken) -> tuple[str, str]:
    """What the program says with `enforce`, and what it registers."""
    recorder = Recorder()
    try:
        run_program(_serving(broken), token="hf_secret" if broken.token else None, stack="amd", recorder=recorder)
    except pulumi.RunError as error:
        return str(error), ", ".join(recorder.declared)
    return "\n".join(each for each in recorder.messages if "preflight of" in each), ", ".join(recorder.declared)


def _as_expected(broken: Broken, seen: tuple[str, str]) -> bool:
    """Whether the expected words are said; nothing is registered unless all that is found are warnings."""
    said, registered = " ".join(seen[0].split()), seen[1]
    stopped = "Nothing was touched." in said and not registered
    warned = ": 1 warning" in said and bool(registered)
    return (stopped or warned) and all(" ".join(line.split()) in said for line in EXPECTED[broken.name])


@pytest.mark.parametrize("name", ["no custom kinds", "no rights", "login program fails"])
def test_up_stops_before_anything_is_made(stage: Stage, name: str) -> None:
    stage = replace(stage, inside=True)
    [broken] = [each for each in CORPUS if each.name == name]
    _configured(stage.amd, broken)
    with broken.way(stage) as kubeconfig:
        before = _made(stage)
        done = _with(stage.amd, kubeconfig).pulumi("up", "--yes", "--skip-preview", "--color=never", ok=False)
        assert _made(stage) <= before  # namespaces of other tests may end meanwhile
    said = done.stdout + done.stderr
    assert done.returncode, said
    _assert_expected(broken, said)
    assert "Nothing was touched." in said, said
    assert "Traceback" not in said, said
    if name == "login program fails":
        assert "`serving.preflight: enforce` (and `adopt`) does not go on without the cluster" in said


def _assert_expected(broken: Broken, said: str) -> None:
    text = " ".join(said.split())
    for line in EXPECTED[broken.name]:
        assert " ".join(line.split()) in text, f"{line}\n\nis not in\n\n{said}"


def test_a_device_that_no_default_node_has_is_reported(stage: Stage) -> None:
    _configured(stage.amd, Broken("wrong device name", CORPUS[0].way, {"rdma": {"resource": "rdma/hca_shared"}}))
    done = stage.amd.pulumi("preview", "--color=never", ok=False)
    output = " ".join((done.stdout + done.stderr).split())
    assert "no node offers rdma/hca_shared; nodes offer amd.com/gpu (2 of 2 nodes), rdma/ib (2 of 2 nodes)" in output
    assert "did you mean rdma/ib?" in output
    assert done.returncode


def test_a_sound_cluster_passes(stage: Stage) -> None:
    _configured(stage.amd, Broken("whole", CORPUS[0].way))
    done = stage.amd.pulumi("preview", "--color=never")
    assert "nothing in the way" in done.stdout


def test_without_a_cluster_a_preview_prints_one_line_and_continues(stage: Stage) -> None:
    [nowhere] = [each for each in CORPUS if each.name == "unreachable"]
    _configured(stage.amd, nowhere, preflight="warn")
    with nowhere.way(replace(stage, inside=True)) as kubeconfig:
        done = _with(stage.amd, kubeconfig).pulumi("preview", "--color=never")
    [line] = {each.partition("preflight")[2] for each in done.stdout.splitlines() if "preflight" in each}
    assert "is not looked at: the API server does not answer" in line
    assert "+ " in done.stdout, "what would be made is shown all the same"


def test_the_page_shows_what_the_command_prints(stage: Stage) -> None:
    _configured(stage.amd, Broken("page", CORPUS[0].way))
    devices = {"amd.com/gpu": "8", "rdma/roce_gdr": "1k"}
    with stage.nodes(resources=devices), stage.without_kinds("podmonitors.monitoring.coreos.com"):
        code, screen = _command(stage.amd)
        assert code == 1
        assert f"```text\n{screen}```" in (CHECKOUT / "docs" / "preflight.md").read_text(), screen
        code, text = _command(stage.amd, "--json")
        assert code == 1
    assert [each["check"] for each in json.loads(text)["findings"]] == ["custom kinds", "devices", "admission"]
    code, screen = _command(stage.amd)
    assert (code, "nothing in the way" in screen) == (0, True)


def _command(stack: Deployment, *words: str) -> tuple[int, str]:
    command = [*stack.cluster.enter, sys.executable, "-m", "preflight", "--stack", stack.stack, *words]
    environment = {**stack.engine.env, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        command, cwd=stack.engine.cwd, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def _made(stage: Stage) -> set[str]:
    """Objects with the program's names in the stack's namespace and in the cluster."""
    found = {each["metadata"]["name"] for each in stage.api.get("/api/v1/namespaces")["items"]}
    for path in ("/apis/apps/v1/deployments", "/api/v1/serviceaccounts", "/api/v1/services", "/api/v1/secrets"):
        items = stage.api.get(path)["items"]
        found |= {each["metadata"]["name"] for each in items if each["metadata"]["namespace"] == NAMESPACE}
    return found - {"default"}  # a controller makes a namespace's ServiceAccount a moment later


def _with(stack: Deployment, kubeconfig: Path | None) -> Deployment:
    if kubeconfig is None:
        return stack
    engine = stack.engine
    return replace(stack, engine=Engine({**engine.env, "KUBECONFIG": str(kubeconfig)}, engine.cwd, engine.notes))


def _configured(stack: Deployment, broken: Broken, preflight: str = "enforce") -> None:
    """Write the settings of one case into the stack file."""
    file = stack.engine.cwd / "Pulumi.amd.yaml"
    document = yaml.safe_load(file.read_text())
    config = document["config"]
    token = config.pop("llm-d-pd:hfToken", None) or _TOKENS[stack.stack]
    _TOKENS[stack.stack] = token
    config["llm-d-pd:serving"] = _serving(broken, preflight)
    if broken.token:
        config["llm-d-pd:hfToken"] = token
    file.write_text(yaml.safe_dump(document))


def _serving(broken: Broken, preflight: str = "enforce") -> dict[str, Any]:
    return stack_file(
        **{"release": RELEASE, "rdma": {"resource": "rdma/ib"}, "preflight": preflight, **broken.settings}
    )


_TOKENS: dict[str, Any] = {}
"""The sandbox's encrypted placeholder, for cases with a token."""
