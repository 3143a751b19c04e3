"""Shapes of popular models that are shipped, by the name of the repository.

`models.json` has the fields of config.json that the readers use, from the repository `name` on the Hugging Face hub;
`same` are repositories with the same values in these fields.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).with_name("models.json")

_PLAIN = re.compile(r"^(meta-)|-(instruct|it|chat|base|hf|bf16|fp16|\d{4})(?=-|$)")

_FP4 = {"dtype": "fp4"}
_GUESSES: tuple[tuple[str, dict[str, Any]], ...] = (
    (r"-nvfp4$", {"quant_method": "modelopt", "quant_algo": "NVFP4"}),
    (r"-mxfp4$", {"quant_method": "quark", "global_quant_config": {"weight": _FP4, "input_tensors": _FP4}}),
    (r"-(fp8|w8a8-fp8|fp8-(dynamic|static|kv|block))$", {"quant_method": "fp8"}),
    (r"-awq(-int4)?$", {"quant_method": "awq", "bits": 4, "group_size": 128}),
    (r"-gptq(-int4)?$", {"quant_method": "gptq", "bits": 4, "group_size": 128}),
    (r"-(quantized\.)?w4a16$", {"quant_method": "gptq", "bits": 4, "group_size": 128}),
    (r"-(quantized\.)?w8a8$", {"quant_method": "fp8"}),
)
"""What the end of a name says about the weights."""


class Found(NamedTuple):
    """A model of the table."""

    config: Mapping[str, Any]
    name: str
    guessed: str = ""
    """What of it is guessed from the name; empty: nothing."""


@cache
def _names() -> Mapping[str, tuple[str, dict[str, Any]]]:
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for each in json.loads(FILE.read_text()):
        for name in (each["name"], *each.get("same", [])):
            found[name.lower()] = (name, each["config"])
            found.setdefault(_base(name), (name, each["config"]))
    return found


def _base(name: str) -> str:
    """A name without organisation and without words that leave the shape as it is."""
    plain = name.rsplit("/", 1)[-1].lower()
    while (shorter := _PLAIN.sub("", plain)) != plain:
        plain = shorter
    return plain


def find(name: str) -> Found | None:
    """The model of a repository, by its name, or by that of the model that it is a quantized copy of."""
    if exact := _names().get(name.lower()):
        return Found(exact[1], exact[0])
    if family := _names().get(_base(name)):
        return Found(family[1], family[0], f"shape of {family[0]}")
    for pattern, quantization in _GUESSES:
        lower = name.rsplit("/", 1)[-1].lower()
        if re.search(pattern, lower) and (family := _names().get(_base(re.sub(pattern, "", lower)))):
            config = {**family[1], "quantization_config": quantization}
            return Found(config, family[0], f"shape of {family[0]}, weights {quantization['quant_method']}")
    return None
