"""Where the shape of a model comes from: what is given, the Hugging Face cache of this machine, the shipped table.

Nothing here goes to the network.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sizing import table

if TYPE_CHECKING:
    from sizing.parts import Unknown
    from sizing.shape import Shape

SIDECAR = "hf_quant_config.json"


class Found(NamedTuple):
    """The config.json of a model, and the hf_quant_config.json beside it."""

    config: Mapping[str, Any]
    origin: str
    why: str = ""
    """Why there is no configuration; empty: there is one."""
    guessed: str = ""
    """What was guessed from the model's name; empty: nothing."""
    sidecar: Mapping[str, Any] | None = None

    @property
    def heads(self) -> int:
        """Attention heads of the text model; 0: not said."""
        text = {**self.config, **(self.config.get("text_config") or {})}
        return int(text.get("num_attention_heads") or 0)


class Located(NamedTuple):
    """A shape, or why there is none, and where it is from."""

    shape: Shape | Unknown
    origin: str
    guessed: str = ""


def locate(name: str, given: str | Mapping[str, Any] | None, root: Path, hub: Path | None = None) -> Located:
    """Find the shape of a model: `given` is a path below `root` or the fields; `hub`: a Hugging Face cache."""
    from sizing import shape  # noqa: PLC0415  (a preview without `serving.gpu` needs `find` alone)
    from sizing.parts import Unknown  # noqa: PLC0415

    found = find(name, given, root, hub)
    return Located(
        Unknown(found.why) if found.why else shape.read(found.config, found.sidecar), found.origin, found.guessed
    )


def find(name: str, given: str | Mapping[str, Any] | None, root: Path, hub: Path | None = None) -> Found:
    """Find the config.json of a model; arguments as of `locate`."""
    if isinstance(given, Mapping):
        return Found(given, "serving.model.shape")
    if given is not None:
        return _file(root / given, f"serving.model.shape ({given})")
    for folder in _snapshots(name, hub or _hub()):
        if (folder / "config.json").exists():
            return _file(folder / "config.json", "the Hugging Face cache of this machine")
    known = table.find(name)
    if known is None:
        return Found({}, "nowhere", f"no config.json of {name}")
    return Found(known.config, f"the shipped table ({known.name})", guessed=known.guessed)


def _file(path: Path, origin: str) -> Found:
    try:
        config = json.loads(path.read_text())
        beside = path.with_name(SIDECAR)
        sidecar = json.loads(beside.read_text()) if beside.exists() else None
    except (OSError, ValueError) as error:
        return Found({}, origin, f"{path.name} cannot be read ({error})")
    if not isinstance(config, dict):
        return Found({}, origin, f"{path.name} is no object")
    return Found(config, origin, sidecar=sidecar)


def _hub() -> Path:
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"


def _snapshots(name: str, hub: Path) -> list[Path]:
    if name.startswith("/"):
        return [Path(name)]
    return sorted((hub / f"models--{name.replace('/', '--')}" / "snapshots").glob("*"))
