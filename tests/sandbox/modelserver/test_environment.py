"""What a machine needs to run real vLLM."""

from pathlib import Path

import pytest

from sandbox.modelserver import environment
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
