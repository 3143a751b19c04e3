"""`vllm serve` in a container of the sandbox: checks the flags, then runs the real vLLM.

`vllm bench` runs as it is, with the tiny model's tokenizer.

`sandbox/modelserver/substitutions.py` changes the pod's command line and environment; this module prints the changes.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from sandbox.modelserver.substitutions import MODELS, Machine, substituted
from sandbox.pods.vllm import translated
from sandbox.pods.vllm.parser import VERSIONS, plain


def main(words: Sequence[str], *, version: str, python: str, model: str, cache: str, tensor_parallel: int) -> NoReturn:
    """Become vLLM, or exit as vLLM does. `python`, `model` (a folder) and `cache` are paths in the container."""
    if words[:1] != ["bench"]:
        translated(words, version)
    interfaces = frozenset(one.name for one in Path("/sys/class/net").iterdir())
    machine = Machine(f"{cache}/{MODELS}", cache, tensor_parallel, interfaces)
    _, _, level = VERSIONS[version]
    if words[:1] == ["bench"]:
        client = [f"--model={model}" if word.startswith("--model=") else word for word in words]
        _, environment, _ = substituted([], os.environ, machine)
        os.execve(python, [python, "-m", "vllm.entrypoints.cli.main", *client], environment)
    line, environment, differences = substituted(plain(words[1:], level), os.environ, machine)
    for one in differences:
        print(f"sandbox: {one}", file=sys.stderr)
    link = Path(line[0])
    before = os.umask(0)  # servers of any user make folders there
    link.parent.mkdir(parents=True, exist_ok=True)
    os.umask(before)
    with suppress(FileExistsError):
        link.symlink_to(model)
    sys.stderr.flush()
    os.execve(python, [python, "-m", "vllm.entrypoints.cli.main", "serve", *line], environment)
