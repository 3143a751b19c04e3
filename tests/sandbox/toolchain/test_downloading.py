"""Official archives in place of builds, from a server of the test."""

import hashlib
import http.server
import io
import os
import re
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.toolchain import __main__ as command
from sandbox.toolchain import building, downloading, provide
from sandbox.toolchain.cache import Cache
from sandbox.toolchain.catalog import SOURCES, Archive, Executables, Source

MACHINE = os.uname().machine


def packed(**members: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(f"tools/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


GOOD = packed(one="official one", two="official two", two_helper="helper", README="text")
DIGEST = hashlib.sha256(GOOD).hexdigest()


class Releases(http.server.BaseHTTPRequestHandler):
    """The first part of a path says how it answers."""

    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        how = self.path.split("/")[1]
        if how == "absent":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(GOOD)))
        self.end_headers()
        self.wfile.write(GOOD[:10])
        if how == "slow":
            for byte in GOOD[10:60]:
                time.sleep(0.02)
                self.wfile.write(bytes([byte]))
        elif how == "silent":
            time.sleep(3)
        else:
            self.wfile.write(GOOD[10 : -20 if how == "cut" else None])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "DOWNLOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloading, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(downloading, "JUDGED_AFTER", 0.1)
    Releases.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Releases)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders of built sources, in order."""
    folders: list[str] = []

    def make(source: Source, go: building.Go, target: Path) -> None:
        folders.append(source.folder.name)
        for name in source.names:
            (target / name).write_text("built")

    monkeypatch.setattr(building, "make", make)
    monkeypatch.setattr(building, "download", lambda *_: None)
    monkeypatch.setattr(building, "find", lambda folder, *_: building.Go(Path("go"), folder))
    return folders


def source(
    folder: Path, url: str, digest: str = f"sha256:{DIGEST}", names: tuple[str, ...] = ("one", "two")
) -> Executables:
    folder.mkdir(exist_ok=True)
    (folder / "go.mod").write_text("module example.test\n\ngo 1.22\n")
    archive = Archive(url, digest, ("tools/one", "tools/two*"))
    return Executables(folder, dict.fromkeys(names, "."), minutes=1, fits=None, archives={MACHINE: archive})


def got(tmp_path: Path, sources: Mapping[str, Source], *names: str) -> tuple[list[Path], str]:
    said = io.StringIO()
    found = provide(names, Progress(said, every=0.1), cache=Cache(tmp_path / "cache"), sources=sources)
    return [found[name] for name in names], said.getvalue()


def test_the_right_archive_replaces_the_build_and_is_fetched_once(
    tmp_path: Path, address: str, built: list[str]
) -> None:
    sources = {"tool": source(tmp_path / "tool", f"{address}/good/tool.tar.gz")}
    for _ in range(2):
        (one, two), said = got(tmp_path, sources, "one", "two")
        assert (one.read_text(), two.read_text()) == ("official one", "official two")
    assert said == ""
    assert sorted(file.name for file in one.parent.iterdir()) == ["one", "two", "two_helper"]
    assert all(file.stat().st_mode & 0o777 == 0o755 for file in one.parent.iterdir())
    assert not built
    assert Releases.asked == ["/good/tool.tar.gz"]
    assert sorted(path.name for path in (tmp_path / "cache").iterdir() if "dropped" not in path.name) == [
        "lock",
        "tools",
    ]


def test_a_wrong_digest_says_what_was_wanted_and_found_and_the_tool_is_built(
    tmp_path: Path, address: str, built: list[str]
) -> None:
    url, other = f"{address}/good/tool.tar.gz", "0" * 64
    (one,), said = got(tmp_path, {"tool": source(tmp_path / "tool", url, digest=f"sha256:{other}")}, "one")
    assert one.read_text() == "built" and built == ["tool"]
    assert (
        "error: a downloaded file is not the one that was released. It is deleted and was not unpacked.\n"
        f"  file:   {url}\n"
        f"  wanted: sha256:{other} (sandbox/toolchain/catalog.py)\n"
        f"  found:  sha256:{DIGEST}\n"
        "tool is built instead.\n"
    ) in said


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("cut", r"the answer ended after \d+ of \d+ bytes\."),
        ("slow", r"0 of 0 MB after 0 s\. At this pace the build is faster\."),
        ("silent", "timed out"),
        ("absent", "HTTP Error 404: Not Found"),
    ],
)
def test_an_archive_that_does_not_arrive_is_built_instead(
    tmp_path: Path, address: str, built: list[str], how: str, reason: str
) -> None:
    minutes = 0.002 if how == "slow" else 1
    sources = {"tool": replace(source(tmp_path / "tool", f"{address}/{how}/tool.tar.gz"), minutes=minutes)}
    (one,), said = got(tmp_path, sources, "one")
    assert one.read_text() == "built" and built == ["tool"]
    assert re.search(rf"^{address}/{how}/tool\.tar\.gz: {reason}\ntool is built instead\.$", said, re.MULTILINE), said
    assert len(Releases.asked) == 1


def test_a_host_that_cannot_be_reached_is_tried_once_and_others_are_still_tried(
    tmp_path: Path, address: str, built: list[str]
) -> None:
    sources = {
        "a": source(tmp_path / "a", "http://127.0.0.1:1/a.tar.gz", names=("one",)),
        "b": source(tmp_path / "b", "http://127.0.0.1:1/b.tar.gz", names=("two",)),
        "c": source(tmp_path / "c", f"{address}/good/c.tar.gz", names=("two_helper",)),
    }
    found, said = got(tmp_path, sources, "one", "two", "two_helper")
    assert [file.read_text() for file in found] == ["built", "built", "helper"]
    assert built == ["a", "b"]
    assert said.count("Connection refused") == 1
    assert "Building 2 tools" in said


def test_download_never_builds_also_after_a_download(
    tmp_path: Path, address: str, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {"tool": source(tmp_path / "tool", f"{address}/good/tool.tar.gz")}
    got(tmp_path, sources, "one")
    monkeypatch.setenv("DOWNLOAD", "never")
    (one,), _ = got(tmp_path, sources, "one")
    assert one.read_text() == "built"
    monkeypatch.setenv("DOWNLOAD", "no")
    with pytest.raises(SandboxError, match="DOWNLOAD=no means nothing: DOWNLOAD=never builds every tool"):
        got(tmp_path, {"new": source(tmp_path / "new", f"{address}/good/tool.tar.gz")}, "one")


def test_the_command_for_workflows_prints_the_folder_or_the_reason(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for how in ("good", "absent"):
        monkeypatch.setitem(SOURCES, how, source(tmp_path / how, f"{address}/{how}/tool.tar.gz"))
    assert command.main(["--official", "good"]) == command.main(["--official", "good"]) == 0
    first, second = capsys.readouterr().out.split()
    assert first == second and (Path(first) / "one").read_text() == "official one"
    assert command.main(["--official", "absent"]) == 1
    assert f"{address}/absent/tool.tar.gz: HTTP Error 404: Not Found\n" in capsys.readouterr().err
    assert command.main(["--official", "crds"]) == 1
    assert "no official archive of crds" in capsys.readouterr().err
    assert len(Releases.asked) == 2


@pytest.mark.parametrize("key", ["etcd", "kubernetes", "pulumi"])
def test_an_archive_is_of_the_version_that_would_be_built(key: str) -> None:
    one = SOURCES[key]
    module = {
        "etcd": "go.etcd.io/etcd/server/v3",
        "kubernetes": "k8s.io/kubernetes",
        "pulumi": "github.com/pulumi/pulumi/pkg/v3",
    }
    [version] = re.findall(rf"{module[key]} (v[\d.]+)", (one.folder / "go.mod").read_text())
    assert one.archives.keys() == {"x86_64", "aarch64"}
    for machine, archive in one.archives.items():
        assert f"/{version}/" in archive.url and archive.url.startswith("https://")
        assert ("amd64" in archive.url or "x64" in archive.url) == (machine == "x86_64")
        algorithm, _, digits = archive.digest.partition(":")
        assert len(bytes.fromhex(digits)) == hashlib.new(algorithm).digest_size
    assert len({archive.digest for archive in one.archives.values()}) == 2
