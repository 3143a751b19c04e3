"""What a container's root file system is made of, for each kind of program."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.home import CHECKOUT
from sandbox.modelserver.choice import CACHE, Vllm
from sandbox.pods.images import Program
from sandbox.pods.root import Bind, Root

_VLLM = "/opt/vllm"
_VENV, _MODEL, _CACHE = f"{_VLLM}/venv", f"{_VLLM}/model", f"{_VLLM}/cache"
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PYTHON = sys.base_prefix
"""Where the Python is that whole images bring along."""


def search_path(program: Program) -> str:
    """Return the PATH that the image sets."""
    if not program.whole:
        return _SYSTEM
    own = f"{_VLLM}/bin" if program.vllm else str(Path(program.path).parent)
    return ":".join([own, f"{_PYTHON}/bin", _SYSTEM])


def root(
    program: Program,
    tools: Mapping[str, str],
    binds: Sequence[Bind],
    *,
    folder: Path,
    hostname: str,
    address: str,
    resolver: str,
    simulator: Sequence[str],
    real: Vllm | None,
    sandbox: Path,
    read_only: bool,
) -> Root:
    """Return the root of a container that runs `program`; `resolver` is its resolv.conf, `simulator` what the plan adds
    to every vLLM that is simulated, `real` the vLLM that is not, `sandbox` the sandbox's folder."""
    own: list[Bind] = []
    real = real if program.vllm else None
    if real:
        own += [
            {"source": real.venv, "target": _VENV, "read_only": True},
            {"source": real.model, "target": _MODEL, "read_only": True},
            {"source": str(sandbox / CACHE), "target": _CACHE, "read_only": False},
        ]
        base = str(Path(real.venv, "bin/python").resolve().parent.parent)
        if base != _PYTHON and not base.startswith("/usr"):
            own.append({"source": base, "target": base, "read_only": True})
    elif program.tool:
        own.append({"source": str(Path(tools[program.tool]).resolve()), "target": program.path, "read_only": True})
    for path, tool in program.files:
        own.append({"source": str(Path(tools[tool]).resolve()), "target": path, "read_only": True})
    executables = {}
    if program.whole and not _PYTHON.startswith("/usr"):
        own.append({"source": _PYTHON, "target": _PYTHON, "read_only": True})
    if program.vllm:
        own.append({"source": f"{CHECKOUT}/sandbox", "target": f"{_VLLM}/lib/sandbox", "read_only": True})
        executables[f"{_VLLM}/bin/vllm"] = (
            _real(program.vllm, real) if real else _simulated(program.vllm, program.path, simulator)
        )
    user = program.user
    named = f"image:x:{user.number}:{user.group}::{user.home or '/'}:/bin/sh\n" if user.number else ""
    files = {
        "/etc/hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{address}\t{hostname}\n",
        "/etc/hostname": f"{hostname}\n",
        "/etc/resolv.conf": resolver,
        "/etc/nsswitch.conf": "hosts: files dns\n",
        "/etc/passwd": f"root:x:0:0:root:/root:/bin/sh\n{named}",
        "/etc/group": "root:x:0:\n",
    }
    return {
        "folder": str(folder),
        "whole": program.whole,
        "files": files,
        "executables": executables,
        "home": {"path": user.home, "user": user.number, "group": user.group} if user.home else None,
        "binds": [*own, *binds],
        "read_only": read_only,
        "devices": real is not None,
    }


def _simulated(version: str, simulator: str, more: Sequence[str]) -> str:
    return _script("sandbox.pods.vllm", version, simulator=simulator, more=list(more))


def _real(version: str, real: Vllm) -> str:
    return _script(
        "sandbox.pods.vllm.real",
        version,
        python=f"{_VENV}/bin/python",
        model=_MODEL,
        cache=_CACHE,
        tensor_parallel=real.tensor_parallel,
    )


def _script(module: str, version: str, **arguments: object) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return (
        f"#!{Path(sys.executable).resolve()} -IS\n"
        f"import sys; sys.path.insert(0, {_VLLM + '/lib'!r}); from {module} import main\n"
        f"main(sys.argv[1:], version={version!r}, {given})\n"
    )
