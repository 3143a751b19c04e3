"""Where the shape of a model comes from: what is given, the Hugging Face cache of this machine, the shipped table.

Nothing here goes to the network.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sizing import shape, table
from sizing.parts import Unknown
from sizing.shape import Shape

SIDECAR = "hf_quant_config.json"


class Located(NamedTuple):
    """A shape, or why there is none, and where it is from."""

    shape: Shape | Unknown
    origin: str
    guessed: str = ""
    """What was guessed from the model's name; empty: nothing."""


def locate(name: str, given: str | Mapping[str, Any] | None, root: Path, hub: Path | None = None) -> Located:
    """Find the shape of a model: `given` is a path below `root` or the fields; `hub`: a Hugging Face cache."""
    if isinstance(given, Mapping):
        return Located(shape.read(given), "serving.model.shape")
    if given is not None:
        return _file(root / given, f"serving.model.shape ({given})")
    for folder in _snapshots(name, hub or _hub()):
        if (folder / "config.json").exists():
            return _file(folder / "config.json", "the Hugging Face cache of this machine")
    found = table.find(name)
    if found is None:
        return Located(Unknown(f"no config.json of {name}"), "nowhere")
    return Located(shape.read(found.config), f"the shipped table ({found.name})", found.guessed)


def _file(path: Path, origin: str) -> Located:
    try:
        config = json.loads(path.read_text())
        beside = path.with_name(SIDECAR)
        sidecar = json.loads(beside.read_text()) if beside.exists() else None
    except (OSError, ValueError) as error:
        return Located(Unknown(f"{path.name} cannot be read ({error})"), origin)
    if not isinstance(config, dict):
        return Located(Unknown(f"{path.name} is no object"), origin)
    return Located(shape.read(config, sidecar), origin)


def _hub() -> Path:
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"


def _snapshots(name: str, hub: Path) -> list[Path]:
    if name.startswith("/"):
        return [Path(name)]
    return sorted((hub / f"models--{name.replace('/', '--')}" / "snapshots").glob("*"))
