"""The shell script before vLLM, which sources a script of the node for environment variables."""

import os
import subprocess
from pathlib import Path

import pytest

from components.plan import resolve
from components.plan.worker_args import ResolvedTier
from components.pods import vllm
from tests.stack_file import settings

GIB = "/usr/local/gib/scripts/set_nccl_env.sh"
NVIDIA = "/usr/local/nvidia/lib64"


@pytest.fixture
def worker() -> ResolvedTier:
    return resolve(settings(accelerator="nvidia", infrastructure="gke-roce")).decode.worker


def start(worker: ResolvedTier, folder: Path, **variables: str) -> subprocess.Popen[str]:
    """The worker's command line, with gIB's script in `folder` and a `vllm` that tells what it was given."""
    program = folder / "vllm"
    program.write_text(
        "#!/bin/sh\n"
        'echo "pid $$"; echo "net $NCCL_NET"; echo "path $LD_LIBRARY_PATH"\n'
        'for word in "$@"; do echo "word $word"; done\n'
    )
    program.chmod(0o755)
    words = [word.replace(GIB, str(folder / "set_nccl_env.sh")) for word in vllm.command(worker)]
    return subprocess.Popen(
        [*words, *vllm.arguments(worker)],
        env={"PATH": f"{folder}:{os.environ['PATH']}", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_vllm_is_the_first_process_with_the_nodes_variables_and_our_words(worker: ResolvedTier, tmp_path: Path) -> None:
    (tmp_path / "set_nccl_env.sh").write_text("export NCCL_NET=gIB\n")
    process = start(worker, tmp_path, LD_LIBRARY_PATH="/opt/lib")
    said, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (0, "")
    assert said.splitlines() == [
        f"pid {process.pid}",
        "net gIB",
        f"path {NVIDIA}:/opt/lib",
        "word serve",
        *(f"word {word}" for word in vllm.arguments(worker)),
    ]


def test_an_unset_library_path_leaves_no_empty_entry(worker: ResolvedTier, tmp_path: Path) -> None:
    (tmp_path / "set_nccl_env.sh").write_text("")
    said, _ = start(worker, tmp_path).communicate(timeout=30)
    assert f"path {NVIDIA}" in said.splitlines()


def test_a_node_without_gib_ends_the_container_and_names_the_file(worker: ResolvedTier, tmp_path: Path) -> None:
    process = start(worker, tmp_path)
    said, complaint = process.communicate(timeout=30)
    assert (process.returncode, said) == (1, "")
    assert "set_nccl_env.sh: No such file or directory" in complaint
