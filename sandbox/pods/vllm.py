"""`vllm serve` in a container: the simulator with what of vLLM's flags it knows."""

import os
from collections.abc import Sequence
from typing import NoReturn

_KEPT = ("--port", "--served-model-name", "--max-model-len", "--max-num-seqs", "--seed")


def main(arguments: Sequence[str], *, version: str, simulator: str, more: Sequence[str]) -> NoReturn:
    """Become the simulator."""
    _, model, *flags = arguments
    kept = []
    words = iter(flags)
    for word in words:
        name, _, value = word.partition("=")
        if name in _KEPT:
            kept.append(f"{name}={value or next(words)}")
    os.execv(simulator, [simulator, "--model", model, "--force-dummy-tokenizer", "--mode=random", *kept, *more])
