"""Writes the flags of `vllm serve` from the parser of the vLLM that runs this file.

    <venv of the environment>/bin/python sandbox/modelserver/flags.py sandbox/modelserver/flags_0_17.json

It imports vLLM and nothing of the sandbox.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from vllm.entrypoints.openai.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

_PROBES = (("SIZE", "1k", 1000), ("NUMBER", "1.5", 1.5), ("INTEGER", "1", 1))
"""Kind, text, and the value that a flag's type returns. JSON types accept numbers, too, so they come first."""
_ORDER = ("FLAG", "SWITCH", "INTEGER", "INTEGERS", "SIZE", "NUMBER", "JSON", "TEXT", "TEXTS", "MAYBE")


def kind(action: argparse.Action) -> str:
    """Return the kind of a flag's value, a key of `_OPTIONS` in command_line.py."""
    several = action.nargs in ("+", "*")
    if isinstance(action, argparse.BooleanOptionalAction):
        return "SWITCH"
    if action.nargs == 0:
        return "FLAG"
    if action.nargs == "?":
        return "MAYBE"
    if _converted(action.type, "{no json") is None and _converted(action.type, "{}") is not None:
        return "JSON"
    for name, text, value in _PROBES:
        if _converted(action.type, text) == value:
            return f"{name}S" if name == "INTEGER" and several else name
    return "TEXTS" if several else "TEXT"


def _converted(convert: Any, text: str) -> object:
    try:
        return convert(text) if callable(convert) else text
    except Exception:  # any exception of a flag's type means that it refuses the text
        return None


def flags() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the flags by kind, each with its short forms after a slash, and the choices of flags with few values."""
    found: dict[str, list[str]] = {name: [] for name in _ORDER}
    choices: dict[str, list[str]] = {}
    for action in make_arg_parser(FlexibleArgumentParser())._actions:
        words = [word for word in action.option_strings if not word.startswith("--no-")]
        if not words or isinstance(action, argparse._HelpAction):
            continue
        long = [word for word in words if word.startswith("--")]
        found[kind(action)].append("/".join([*long, *(word for word in words if word not in long)]))
        if action.choices and kind(action) != "SWITCH":
            choices[long[0]] = [str(one) for one in action.choices]
    return {name: sorted(words) for name, words in found.items() if words}, dict(sorted(choices.items()))


if __name__ == "__main__":
    found, choices = flags()
    Path(sys.argv[1]).write_text(json.dumps({"flags": found, "choices": choices}, indent=1) + "\n")
