"""The kept choice of a sandbox's model server: the simulator or real vLLM."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "model-server.json"
CACHE = "model-server-cache"
"""Folder of a sandbox with the caches of its vLLM servers."""
CACHED = "vllm-cache"
"""Folder of the tiny model with vLLM's cache of it (`model.py`)."""
VERSION = "0.17.1"
"""Version of the real vLLM."""


@dataclass(frozen=True)
class Vllm:
    """Real vLLM: its virtual environment, the folder of the tiny model, and the largest tensor parallelism."""

    venv: str
    model: str
    tensor_parallel: int = 1


def read(root: Path) -> Vllm | None:
    """Return the choice of the sandbox in `root`; None = the simulator."""
    file = root / FILE
    return Vllm(**json.loads(file.read_text())) if file.exists() else None


def write(root: Path, choice: Vllm | None) -> None:
    """Keep the choice."""
    file = root / FILE
    if choice is None:
        file.unlink(missing_ok=True)
        return
    cache = root / CACHE
    shutil.copytree(Path(choice.model, CACHED), cache, dirs_exist_ok=True)
    cache.chmod(0o1777)  # servers of any user write there
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(choice)))
    unfinished.rename(file)
