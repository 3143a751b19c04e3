"""What a container's root file system is made of, for each kind of program."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.home import CHECKOUT
from sandbox.pods.images import Program
from sandbox.pods.root import Bind, Root

_VLLM = "/opt/vllm"
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
    read_only: bool,
) -> Root:
    """Return the root of a container that runs `program`; `resolver` is its resolv.conf, `simulator` what the plan adds
    to every vLLM."""
    own: list[Bind] = []
    if program.tool:
        own.append({"source": str(Path(tools[program.tool]).resolve()), "target": program.path, "read_only": True})
    for path, tool in program.files:
        own.append({"source": str(Path(tools[tool]).resolve()), "target": path, "read_only": True})
    executables = {}
    if program.whole and not _PYTHON.startswith("/usr"):
        own.append({"source": _PYTHON, "target": _PYTHON, "read_only": True})
    if program.vllm:
        own.append({"source": f"{CHECKOUT}/sandbox", "target": f"{_VLLM}/lib/sandbox", "read_only": True})
        executables[f"{_VLLM}/bin/vllm"] = _vllm(program.vllm, program.path, simulator)
    files = {
        "/etc/hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{address}\t{hostname}\n",
        "/etc/hostname": f"{hostname}\n",
        "/etc/resolv.conf": resolver,
        "/etc/nsswitch.conf": "hosts: files dns\n",
        "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "/etc/group": "root:x:0:\n",
    }
    return {
        "folder": str(folder),
        "whole": program.whole,
        "files": files,
        "executables": executables,
        "binds": [*own, *binds],
        "read_only": read_only,
    }


def _vllm(version: str, simulator: str, more: Sequence[str]) -> str:
    return (
        f"#!{Path(sys.executable).resolve()} -IS\n"
        f"import sys; sys.path.insert(0, {_VLLM + '/lib'!r}); from sandbox.pods.vllm import main\n"
        f"main(sys.argv[1:], version={version!r}, simulator={simulator!r}, more={list(more)!r})\n"
    )
