"""Parses vLLM's command line as vLLM does, and refuses what vLLM refuses, with its messages and exit code 2.

vLLM's FlexibleArgumentParser (vllm/utils/argparse_utils.py, 0.11.2 and 0.17.1) first rewrites the command line:
underscores become dashes, -O<level> gets its long form, and --flag.key.key=value, or --flag.key+ for an element of a
list, becomes JSON.
"""

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.pods.vllm import flags_0_11, flags_0_17
from sandbox.pods.vllm.kinds import Kind

_NAME = re.compile(r"(?<=--)[^.=]*")
_LEVELS = ("0", "1", "2", "3")


def plain(words: Sequence[str], level: str) -> list[str]:
    """Return the command line after `vllm serve` in plain spelling; `level` is the long form of -O."""
    words = _model_first(words)
    spelled: list[str] = []
    for number, word in enumerate(words):
        if word.startswith("--"):
            spelled.append(_NAME.sub(lambda name: name[0].replace("_", "-"), word, count=1))
        elif word.startswith("-O") and len(word) > 2 and word[2] != ".":
            spelled += [level, word[2:].removeprefix("=")]
        elif word == "-O" and words[number + 1 : number + 2] and words[number + 1] in _LEVELS:
            spelled.append(level)
        else:
            spelled.append(word)
    return _with_json(spelled)


def _model_first(words: Sequence[str]) -> list[str]:
    for number, word in enumerate(words):
        if word == "--model" and number + 1 < len(words):
            return [words[number + 1], *words[:number], *words[number + 2 :]]
        if word.startswith("--model="):
            return [word.removeprefix("--model="), *words[:number], *words[number + 1 :]]
    return list(words)


def _with_json(words: Sequence[str]) -> list[str]:
    """Collect values by key into one JSON value per flag, at the end."""
    kept: list[str] = []
    built: dict[str, dict[str, Any]] = {}
    rest = iter(words)
    for word in rest:
        path, equals, value = word.partition("=")
        if not word.startswith("-") or "." not in path:
            kept.append(word)
            continue
        text = value if equals else next(rest, "")
        flag, *keys = path.split(".")
        if path.endswith("+"):
            keys[-1] = keys[-1].removesuffix("+")
            text = json.dumps(text.split(","))
        _put(built.setdefault(flag, {}), keys, _value(text))
    return kept + [part for flag, value in built.items() for part in (flag, json.dumps(value))]


def _put(place: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    *folders, last = keys
    for key in folders:
        inner = place.get(key)
        place[key] = place = inner if isinstance(inner, dict) else {}
    old = place.get(last)
    place[last] = old + value if isinstance(old, list) and isinstance(value, list) else value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT])")
_ROLES = ("kv_producer", "kv_consumer", "kv_both")
_TRANSFER_KEYS = """
    enable_permute_local_kv engine_id kv_buffer_device kv_buffer_size kv_connector kv_connector_extra_config
    kv_connector_module_path kv_ip kv_load_failure_policy kv_parallel_size kv_port kv_rank kv_role
"""
"""Fields of KVTransferConfig (vllm/config/kv_transfer.py, 0.17.1, where unknown ones are refused)."""

_Flags = Mapping[Kind, str]
VERSIONS: Mapping[str, tuple[_Flags, Mapping[str, str], str]] = {
    "0.11.2": (flags_0_11.FLAGS, flags_0_11.CHOICES, "-O.mode"),
    "0.17.1": (flags_0_17.FLAGS, flags_0_17.CHOICES, "--optimization-level"),
}
"""vLLM version → its flags, the choices of flags with few values, and the long form of -O."""


def parser(version: str) -> argparse.ArgumentParser:
    """Return the parser of `vllm`, with `serve` as its only command."""
    flags, choices, _ = VERSIONS[version]
    whole = argparse.ArgumentParser(prog="vllm", description="vLLM, simulated by llm-d-inference-sim")
    whole.add_argument("-v", "--version", action="version", version=version)
    commands = whole.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", usage="vllm serve [model_tag] [options]")
    serve.add_argument("model_tag", nargs="?")
    for kind, text in flags.items():
        for word in text.split():
            options: dict[str, Any] = dict(_OPTIONS[kind])
            long = word.partition("/")[0]
            if long in choices:
                options["choices"] = [options["type"](one) for one in choices[long].split()]
            if long == "--kv-transfer-config":
                options["type"] = _transfer_config(strict=version != "0.11.2")
            if long == "--middleware":
                options["action"] = "append"
            serve.add_argument(*word.split("/"), **options)
    return whole


def _json(text: str) -> Any:
    if text in ("", "None"):
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"Value {text} is no JSON: {error}") from None


def _size(text: str) -> int:
    if text.strip().lower() == "auto":
        return -1
    if found := _SIZE.fullmatch(text.strip()):
        base = 1000 if found[2].islower() else 1024
        if base == 1024 and "." in found[1]:
            raise argparse.ArgumentTypeError(
                f"Decimals are not allowed with binary suffixes like {found[2]}; did you mean {text.lower()}?"
            )
        return int(float(found[1]) * base ** ("kmgt".index(found[2].lower()) + 1))
    return int(text)


_size.__name__ = "int"  # argparse names the type in its error


def _transfer_config(*, strict: bool) -> Callable[[str], Any]:
    def check(text: str) -> Any:
        value = _json(text)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise argparse.ArgumentTypeError("KVTransferConfig: Input should be an object")
        if strict and (unknown := sorted(value.keys() - set(_TRANSFER_KEYS.split()))):
            raise argparse.ArgumentTypeError(f"KVTransferConfig: {unknown[0]}: Unexpected keyword argument")
        role = value.get("kv_role")
        if role is not None and role not in _ROLES:
            raise argparse.ArgumentTypeError(f"KVTransferConfig: Unsupported kv_role: {role}. Supported: {_ROLES}")
        if value.get("kv_connector") is not None and role is None:
            raise argparse.ArgumentTypeError(f"KVTransferConfig: Please specify kv_role, one of {_ROLES}")
        return value

    return check


_OPTIONS: Mapping[Kind, Mapping[str, Any]] = {
    Kind.FLAG: {"action": "store_true"},
    Kind.SWITCH: {"action": argparse.BooleanOptionalAction},
    Kind.INTEGER: {"type": int},
    Kind.INTEGERS: {"type": int, "nargs": "+"},
    Kind.SIZE: {"type": _size},
    Kind.NUMBER: {"type": float},
    Kind.JSON: {"type": _json},
    Kind.TEXT: {"type": str},
    Kind.TEXTS: {"type": str, "nargs": "+"},
    Kind.MAYBE: {"type": str, "nargs": "?", "const": "True"},
}
