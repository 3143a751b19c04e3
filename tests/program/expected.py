"""Reads the expected objects in tests/expected: the layers that apply to one combination of switches."""

import copy
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent.parent / "expected"
EVERY_ACCELERATOR = ("gateway", "picker", "monitoring")
MODELS = {"amd": "amd/Llama-3.3-70B-Instruct-FP8-KV", "nvidia": "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic"}


@dataclass(frozen=True)
class Combination:
    """One of the legal combinations that issue and design name."""

    accelerator: str
    release: str
    hostNetwork: bool  # as in the stack file
    rdma: bool
    monitoring: bool

    def __str__(self) -> str:
        switches = [name for name in ("hostNetwork", "rdma", "monitoring") if getattr(self, name)]
        return "-".join([self.accelerator, self.release, *switches])

    @property
    def serving(self) -> dict[str, Any]:
        """The stack file that means it."""
        serving: dict[str, Any] = {
            "accelerator": self.accelerator,
            "model": {"name": MODELS[self.accelerator]},
            "release": self.release,
            "hostNetwork": self.hostNetwork,
            "monitoring": {"enabled": self.monitoring},
        }
        return {**serving, "rdma": {"resource": "rdma/ib"}} if self.rdma else serving


EITHER = (False, True)
EVERY = [Combination(*switches) for switches in product(MODELS, ("0.4", "0.6", "0.9", "0.10"), EITHER, EITHER, EITHER)]


def expected(combination: Combination) -> dict[str, Any]:
    """Objects by `Kind/name` in normal form."""
    return layered((*EVERY_ACCELERATOR, combination.accelerator), asdict(combination))


def layered(files: tuple[str, ...], switches: dict[str, Any]) -> dict[str, Any]:
    """Every layer of the files with conditions that the switches meet, one over the other."""
    objects: dict[str, Any] = {}
    for file in files:
        for layer in _layers(file):
            if layer["when"].items() <= switches.items():
                objects = laid_over(objects, layer["objects"])
    return objects


@cache
def _layers(file: str) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = yaml.safe_load((FOLDER / f"{file}.yaml").read_text())
    return layers


def laid_over(below: Any, above: Any) -> Any:
    """`above` over `below`: mappings key by key, null removes, everything else replaces."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return copy.deepcopy(above)
    merged = {**below, **{key: laid_over(below.get(key), value) for key, value in above.items()}}
    return {key: value for key, value in merged.items() if value is not None}
