"""The environment of real vLLM: what the machine needs, and changed packages."""

from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.modelserver import environment
from sandbox.modelserver.recipe import _read_progress_delay
from sandbox.toolchain.cache import Cache


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with everything that vLLM needs; each test removes one thing."""
    monkeypatch.setattr(Cache, "of_user", classmethod(lambda _: Cache(tmp_path)))
    monkeypatch.setattr(Cache, "free_gigabytes", property(lambda _: 50.0))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("sys.version_info", (3, 12, 1, "final", 0))
    monkeypatch.setattr("os.confstr", lambda _: "glibc 2.36")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(environment, "_namespaces", lambda: None)
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx avx2 f16c fma\n\nprocessor\t: 1\n")


@pytest.mark.usefixtures("able")
def test_a_machine_with_everything_is_fit() -> None:
    assert environment.unfit() is None
    assert not environment.lacks_instructions()


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize("line", ["flags\t\t: avx avx2 fma\n", "Features\t: fp asimd\n"])
def test_a_processor_without_the_instructions_is_unfit(tmp_path: Path, line: str) -> None:
    (tmp_path / "cpuinfo").write_text(line)
    assert environment.lacks_instructions()
    assert "f16c" in (environment.unfit() or "")


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        ("sys.version_info", (3, 14, 0, "final", 0), "3.11, 3.12, 3.13"),
        ("os.confstr", lambda _: "glibc 2.27", "2.27"),
        ("os.confstr", lambda _: None, "none"),
        ("shutil.which", lambda name: None if name == "readelf" else f"/usr/bin/{name}", "readelf"),
    ],
)
def test_each_missing_need_is_named(monkeypatch: pytest.MonkeyPatch, place: str, value: object, named: str) -> None:
    monkeypatch.setattr(place, value)
    said = environment.unfit() or ""
    assert named in said and "\n" not in said
    assert not environment.lacks_instructions()


@pytest.mark.usefixtures("able")
def test_disk_space_matters_only_before_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cache, "free_gigabytes", property(lambda _: 5.9))
    assert "5.9 GB" in (environment.unfit() or "")
    environment.place().mkdir(parents=True)
    assert environment.unfit() is None


API = '''"""As in nixl 0.10.1."""


def agent_config(nixl_conf, thread_config, nixlBind):
        return nixlBind.nixlAgentConfig(
            nixl_conf.enable_pthread,
            nixl_conf.enable_listen,
            nixl_conf.port,
            thread_config,
            1,
            0,
            100000,
            nixl_conf.capture_telemetry,
        )
'''


class Bindings:
    """Stand-in for NIXL's compiled module: returns `pthr_delay_us`."""

    @staticmethod
    def nixlAgentConfig(*arguments: object) -> object:
        return arguments[5]


class Config:
    enable_pthread, enable_listen, port, capture_telemetry = True, False, 0, False


def api(packages: Path, text: str) -> Path:
    file = packages / "nixl_cu12" / "_api.py"
    file.parent.mkdir()
    file.write_text(text)
    return file


@pytest.mark.parametrize(("variable", "delay"), [(None, 0), ("100000", 100000)])
def test_a_variable_sets_the_event_timeout_of_nixls_progress_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, delay: int
) -> None:
    monkeypatch.delenv("SANDBOX_NIXL_PROGRESS_DELAY", raising=False)
    if variable:
        monkeypatch.setenv("SANDBOX_NIXL_PROGRESS_DELAY", variable)
    changed = api(tmp_path, API)
    assert _read_progress_delay(tmp_path) == changed
    module: dict[str, object] = {}
    exec(changed.read_text(), module)
    assert module["agent_config"](Config, "none", Bindings) == delay  # type: ignore[operator]


def test_another_nixl_is_refused(tmp_path: Path) -> None:
    file = api(tmp_path, API.replace("100000", "50000"))
    with pytest.raises(SandboxError, match=r"nixl 0\.10\.1"):
        _read_progress_delay(tmp_path)
    assert "SANDBOX" not in file.read_text()
