"""The lock files: complete, of the versions that are tested, and refused by pip for another file."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sandbox import locking
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT
from sandbox.locking import LOCKS, Lock, digests, needed, pins

MACHINES = ("x86_64", "aarch64")


def locked(lock: Lock) -> dict[str, str]:
    """The pins of a lock file and of the one that it includes."""
    own = pins(CHECKOUT / lock.file)
    return own | locked(next(one for one in LOCKS if one.file == lock.base)) if lock.base else own


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.file)
def test_a_lock_file_has_what_its_requirements_need_in_the_tested_versions(lock: Lock) -> None:
    tested = pins(CHECKOUT / lock.constraints)
    assert locked(lock) == {name: tested[name] for name in needed(lock)}
    assert pins(CHECKOUT / lock.requirements).items() <= locked(lock).items()


def test_every_tested_version_is_locked() -> None:
    assert pins(CHECKOUT / "constraints.txt") == locked(LOCKS[2])
    assert pins(CHECKOUT / "policy/constraints.txt") == locked(LOCKS[3])


def wheel(tags: str, version: str = "1.2") -> dict[str, Any]:
    return {"filename": f"thing-{version}-{tags}.whl", "hashes": {"sha256": f"digest of {version} {tags}"}}


def test_every_wheel_for_linux_is_locked_and_no_other_file() -> None:
    old = [wheel(f"cp3{minor}-cp3{minor}-manylinux2014_{one}") for minor in (11, 12, 13, 14) for one in MACHINES]
    new = [wheel("cp313-cp313-manylinux_2_34_x86_64"), wheel("cp311-abi3-manylinux_2_28_aarch64")]
    others = [
        wheel("cp310-cp310-manylinux2014_x86_64"),
        wheel("cp313-cp313t-manylinux2014_x86_64"),
        wheel("cp313-cp313-musllinux_1_2_x86_64"),
        wheel("cp313-cp313-win_amd64"),
        wheel("py3-none-any", version="1.2.1"),
        {"filename": "thing-1.2.tar.gz", "hashes": {"sha256": "sources"}},
    ]
    assert digests("thing==1.2", [*old, *new, *others]) == sorted(one["hashes"]["sha256"] for one in (*old, *new))


def test_a_version_without_a_wheel_for_one_target_is_refused() -> None:
    files = [wheel(f"py3-none-manylinux2014_{one}") for one in MACHINES]
    assert digests("thing==1.2", files)
    with pytest.raises(SandboxError, match=r"thing==1\.2 has no wheel.*aarch64"):
        digests("thing==1.2", files[:1])


def test_a_package_for_one_python_only_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / ".venv/lib/python3.11/site-packages"
    wanted = {
        "a": ["b; python_version >= '3.14'", "c[fast]; sys_platform == 'linux'", "d; sys_platform == 'win32'"],
        "b": [],
        "c": ["e; extra == 'fast'", "f; extra == 'slow'"],
        "e": ["a"],
    }
    for name, requires in wanted.items():
        (packages / f"{name}-1.dist-info").mkdir(parents=True)
        lines = [f"Name: {name}", "Version: 1", *(f"Requires-Dist: {one}" for one in requires)]
        (packages / f"{name}-1.dist-info/METADATA").write_text("\n".join(lines) + "\n")
    (tmp_path / "requirements.txt").write_text("# direct\n-c constraints.txt\na==1\n")
    (tmp_path / "more.txt").write_text("-r requirements.txt\n")
    monkeypatch.setattr(locking, "CHECKOUT", tmp_path)
    assert needed(Lock("x.lock", "more.txt", "constraints.txt", ".venv")) == {"a", "b", "c", "e"}


@pytest.mark.thorough
def test_pip_refuses_a_file_with_another_digest(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "thing-1-py3-none-any.whl", "w") as package:
        package.writestr("thing-1.dist-info/METADATA", "Name: thing")
    (tmp_path / "thing.lock").write_text(f"thing==1 --hash=sha256:{'0' * 64}\n")
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.installing", tmp_path / "venv", tmp_path / "thing.lock"],
        cwd=CHECKOUT,
        env={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr and "0" * 64 in done.stderr
    assert "error: pip could not install" in done.stderr and "CPython 3.11 to 3.14" in done.stderr
