"""The engine: nothing of the caller, official executables if available, and failures of programs."""

import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
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


class Releases(http.server.BaseHTTPRequestHandler):
    """Serves the archives of `archives` and counts requests."""

    archives: dict[str, bytes]
    requests: list[str]

    def do_GET(self) -> None:
        type(self).requests.append(self.path)
        found = next((body for name, body in self.archives.items() if name in self.path), None)
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Releases]]:
    Releases.archives, Releases.requests = {}, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Releases)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(environment, "BASE", f"http://127.0.0.1:{server.server_port}")
    yield Releases
    server.shutdown()


def archive(**members: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(f"pulumi/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_official_executables_are_downloaded_once(tmp_path: Path, releases: type[Releases]) -> None:
    releases.archives = {
        "/plugins/": archive(**{environment.PLUGIN: "plugin", "README.md": "x"}),
        "/sdk/": archive(**{environment.HOST: "host", f"{environment.HOST}-exec": "exec", "pulumi": "the CLI"}),
    }
    for _ in range(2):
        found = environment.find_official(
            tmp_path / "pulumi", tmp_path / "cache", {"PATH": "", "PULUMI_HOME": str(tmp_path)}
        )
    assert found.host is not None and found.host == found.plugin
    assert {f.name: f.read_text() for f in found.host.iterdir()} == {
        environment.PLUGIN: "plugin",
        environment.HOST: "host",
        f"{environment.HOST}-exec": "exec",
    }
    assert all(f.stat().st_mode & 0o111 for f in found.host.iterdir())
    assert len(releases.requests) == 2


def test_a_failed_download_is_not_tried_again(tmp_path: Path, releases: type[Releases]) -> None:
    for _ in range(2):
        found = environment.find_official(
            tmp_path / "pulumi", tmp_path / "cache", {"PATH": "", "PULUMI_HOME": str(tmp_path)}
        )
    assert (found.host, found.plugin) == (None, None)
    assert "404" in found.reason and "to try again" in found.reason
    assert len(releases.requests) == 1


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
