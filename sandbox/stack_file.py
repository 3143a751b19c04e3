"""Reads stack files leniently, as plain data. The program itself reports wrong settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox.errors import SandboxError


def serving(stack_file: Path) -> Mapping[str, Any]:
    """Return `llm-d-pd:serving` of a stack file. Raises `SandboxError` for a file that isn't YAML."""
    try:
        document = yaml.load(stack_file.read_text(), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise SandboxError(f"{stack_file} isn't YAML: {error}") from None
    return mapping(mapping(mapping(document).get("config")).get("llm-d-pd:serving"))


def accelerator(stack_file: Path) -> str:
    """Return `serving.accelerator`, "" if it is no text. Raises `SandboxError` for a file that isn't YAML."""
    chosen = serving(stack_file).get("accelerator")
    return chosen if isinstance(chosen, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping unchanged; an empty one for any other value."""
    return value if isinstance(value, Mapping) else {}
