"""What a sandbox reads from a stack file to know which nodes, tools and gateway controller to provide.

Only plain data is read, and leniently: wrong settings are the program's to explain, all at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox.errors import SandboxError


def serving(file: Path) -> Mapping[str, Any]:
    """Return the object `serving` of a stack file; empty where there is none. Raises `SandboxError` for bad YAML."""
    try:
        document = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise SandboxError(f"{file} isn't YAML: {error}") from None
    return mapping(mapping(mapping(document).get("config")).get("llm-d-pd:serving"))


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is, and nothing in the place of anything else."""
    return value if isinstance(value, Mapping) else {}
