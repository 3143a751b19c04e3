"""A stack file as the sandbox reads it: plain data, leniently. The program explains wrong settings, all at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox.errors import SandboxError


def serving(stack_file: Path) -> Mapping[str, Any]:
    """Return what a stack file says under `llm-d-pd:serving`. Raises `SandboxError` for a file that isn't YAML."""
    try:
        document = yaml.load(stack_file.read_text(), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise SandboxError(f"{stack_file} isn't YAML: {error}") from None
    return mapping(mapping(mapping(document).get("config")).get("llm-d-pd:serving"))


def accelerator(stack_file: Path) -> str:
    """Return `serving.accelerator`, "" where it is no text. Raises `SandboxError` for a file that isn't YAML."""
    chosen = serving(stack_file).get("accelerator")
    return chosen if isinstance(chosen, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}
