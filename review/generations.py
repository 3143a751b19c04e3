"""Pairs the objects of two generations: one is made, the other deleted, and the difference inside the pair counts."""

import json
import re
from collections.abc import Mapping
from typing import Any

INSTANCE = "llm-d.ai/instance"
"""Label with the install and its generation (`components/names.py`)."""

Inputs = Mapping[str, Any]


def pairs(made: Mapping[str, Inputs], gone: Mapping[str, Inputs]) -> dict[str, tuple[str, Inputs]]:
    """By URN of an object that is made: the URN and inputs of the one that it takes the place of, under its names."""
    found: dict[str, tuple[str, Inputs]] = {}
    former = {_identity(inputs): (urn, inputs) for urn, inputs in gone.items() if _instance(inputs)}
    for urn, inputs in made.items():
        new = _instance(inputs)
        for old in {_instance(each) for each in gone.values()} - {None, new}:
            if (
                new
                and old
                and _postfixes(new) & _postfixes(old)
                and (partner := former.get(_identity(inputs, new, old)))
            ):
                found[urn] = (partner[0], renamed(partner[1], old, new))
    return found


def renamed(inputs: Inputs, old: str, new: str) -> Inputs:
    """The inputs with the names of another generation."""
    text = re.sub(rf"(?<=[-\"]){re.escape(old)}(?=[-\"])", new, json.dumps(inputs))
    renamed_inputs: Inputs = json.loads(text)
    return renamed_inputs


def _instance(inputs: Inputs) -> str | None:
    labels = (inputs.get("metadata") or {}).get("labels") or {}
    return labels.get(INSTANCE) if isinstance(labels, Mapping) else None


def _postfixes(instance: str) -> set[str]:
    """The postfixes that an instance label may stand for: with a word of a generation behind it, or without."""
    return {instance, re.sub(r"-[a-z0-9]{1,8}$", "", instance)}


def _identity(inputs: Inputs, new: str = "", old: str = "") -> tuple[str, ...]:
    """Kind and name of an object; with the instance `new` in its name as `old`."""
    meta = inputs.get("metadata") or {}
    name = str(meta.get("name"))
    name = re.sub(rf"-{re.escape(new)}(?=-|$)", f"-{old}", name, count=1) if new else name
    return str(inputs.get("kind")), str(meta.get("namespace")), name
