"""The engine: nothing of the caller, official executables if available, and failures of programs."""

from importlib.metadata import version
from pathlib import Path

import pytest

from sandbox.engine import environment
from tests.sandbox.engine.harness import Stack, prepared

PLUGIN_FOLDER = f"state/pulumi/plugins/resource-kubernetes-v{version('pulumi-kubernetes')}"


def test_nothing_of_the_caller_leaks_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = (
        "PULUMI_ACCESS_TOKEN",
        "PULUMI_K8S_ENABLE_PATCH_FORCE",
        "KUBERNETES_SERVICE_HOST",
        "HTTPS_PROXY",
        "https_proxy",
    )
    for name in (*foreign, "KUBECONFIG", "PULUMI_BACKEND_URL", "PULUMI_HOME"):
        monkeypatch.setenv(name, "the caller's")
    stack = Stack.make(tmp_path, program="import pulumi")
    env = stack.engine.env
    assert not set(foreign) & set(env)
    assert "the caller's" not in env.values()
    assert env["KUBECONFIG"] == str(tmp_path / "home/cluster/kubeconfig")
    for name in ("PULUMI_HOME", "PULUMI_BACKEND_URL"):
        assert str(tmp_path / "home/state") in env[name]
    assert f"file://{tmp_path}/home/state" in stack.pulumi("about").ok().output


def test_an_official_plugin_of_the_user_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "pulumi-home"
    minor = version("pulumi-kubernetes").rpartition(".")[0]
    for patch in ("0", "9", "10"):
        folder = home / f"plugins/resource-kubernetes-v{minor}.{patch}"
        folder.mkdir(parents=True)
        (folder / environment.PLUGIN).write_text("official")
    monkeypatch.setenv("PULUMI_HOME", str(home))
    stack = Stack.make(tmp_path, program="import pulumi")
    used = tmp_path / "home" / PLUGIN_FOLDER / environment.PLUGIN
    assert used.resolve() == home / f"plugins/resource-kubernetes-v{minor}.10" / environment.PLUGIN
    assert not any(environment.PLUGIN in note for note in stack.engine.notes)

    monkeypatch.delenv("PULUMI_HOME")
    notes = prepared(tmp_path, stack.folder).notes
    if any(environment.PLUGIN in note for note in notes):  # the stand-in again, with a note
        assert used.read_text().startswith("#!/bin/sh")


def test_the_language_host_beside_the_cli_is_used(tmp_path: Path) -> None:
    """As in the official archive of the CLI, also if a link names the CLI."""
    (tmp_path / "official").mkdir()
    for name in ("pulumi", environment.HOST):
        (tmp_path / "official" / name).touch()
    (tmp_path / "pulumi").symlink_to("official/pulumi")
    nowhere = {"PATH": "", "PULUMI_HOME": str(tmp_path)}
    assert environment.find_official(tmp_path / "pulumi", nowhere) == environment.Official(tmp_path / "official", None)
    assert environment.find_official(tmp_path / "none" / "pulumi", nowhere) == environment.Official(None, None)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("program", "error"),
    [
        ('def deep():\n    raise ValueError("broken")\ndeep()', "ValueError: broken"),
        ("import pulumi\npulumi.Output.from_input(0).apply(lambda n: 1 / n)", "ZeroDivisionError"),
    ],
)
def test_a_failed_program_fails_the_command(tmp_path: Path, program: str, error: str) -> None:
    output = Stack.make(tmp_path, program=program).preview().failed().output
    diagnostics = output[output.index("Diagnostics:") :]
    assert diagnostics.count(error) == 1
    assert "Traceback" in diagnostics
