"""The language host: what a program finds when it starts, and how its failures are told."""

import json
from pathlib import Path

import pytest

from tests.sandbox.engine.harness import Stack

pytestmark = pytest.mark.thorough

SURROUNDINGS = """
import json, os, sys
import pulumi
from beside import ANSWER

config = pulumi.Config()
print("this line is shown")
print("preview" if pulumi.runtime.is_dry_run() else "update", "run")
pulumi.export("found", {
    "argument": sys.argv[0] != "", "cwd": os.getcwd(), "beside": ANSWER, "root": pulumi.get_root_directory(),
    "organization": pulumi.get_organization(), "project": pulumi.get_project(), "stack": pulumi.get_stack(),
    "plain": config.require("plain"), "object": config.require_object("object"),
})
pulumi.export("hidden", config.get_secret("plain"))
pulumi.export("secret", pulumi.runtime.is_config_secret("tiny:hfToken"))
"""


def test_a_program_finds_its_surroundings(tmp_path: Path) -> None:
    stack = Stack.make(
        tmp_path, program=SURROUNDINGS, config={"tiny:plain": "value", "tiny:object": {"a": [1, {"b": True}]}}
    )
    (stack.folder / "beside.py").write_text("ANSWER = 42")
    stack.pulumi("config", "set", "--secret", "hfToken", "hf_token").ok()

    previewed = stack.preview().ok().output
    assert "this line is shown" in previewed and "preview run" in previewed
    assert "update run" in stack.up().ok().output
    outputs = json.loads(stack.pulumi("stack", "output", "--json").ok().output)
    assert outputs["found"] == {
        "argument": True,
        "cwd": str(stack.folder),
        "beside": 42,
        "root": str(stack.engine.cwd),
        "organization": "organization",
        "project": "tiny",
        "stack": "dev",
        "plain": "value",
        "object": {"a": [1, {"b": True}]},
    }
    assert outputs["hidden"] == "[secret]" and outputs["secret"] is True
    assert "update run" in stack.pulumi("refresh", "--yes", "--skip-preview", "--run-program").ok().output
    about = stack.pulumi("about").ok().output
    assert "python" in about and "kubernetes" in about and "warning" not in about
    stack.pulumi("destroy", "--yes", "--skip-preview").ok()
    assert stack.resources() == {}


@pytest.mark.parametrize(
    ("program", "told", "traceback"),
    [
        ('import pulumi\nraise pulumi.RunError("serving.x: wrong\\nserving.y: too")', "serving.x: wrong", False),
        ('def deep():\n    raise ValueError("broken")\ndeep()', "ValueError: broken", True),
        ("import pulumi\npulumi.Output.from_input(0).apply(lambda n: 1 / n)", "ZeroDivisionError", True),
        ("import sys\nsys.exit(3)", "exit code: 3", False),
        ("import nothing_of_the_kind", "No module named 'nothing_of_the_kind'", True),
    ],
)
def test_a_failed_program_is_told_once(tmp_path: Path, program: str, told: str, traceback: bool) -> None:
    output = Stack.make(tmp_path, program=program).preview().failed().output
    diagnostics = output[output.index("Diagnostics:") :]
    assert diagnostics.count(told) == 1
    assert ("Traceback" in diagnostics) == traceback


def test_a_failure_of_the_engine_brings_no_traceback(tmp_path: Path) -> None:
    program = """
    import pulumi
    import pulumi_kubernetes as k8s
    nowhere = k8s.Provider("nowhere", kubeconfig="/nowhere")
    there = pulumi.ResourceOptions(provider=nowhere)
    account = k8s.core.v1.ServiceAccount("a", metadata={"namespace": "x"}, opts=there)
    k8s.core.v1.ConfigMap("b", metadata={"namespace": "x", "name": account.metadata.name}, data={"k": "v"}, opts=there)
    """
    output = Stack.make(tmp_path, program=program).up().failed().output
    assert "configured Kubernetes cluster is unreachable" in output
    assert "Traceback" not in output
