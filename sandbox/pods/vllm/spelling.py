"""The liberties that vLLM's parser takes before it parses: how a command line becomes plain flags and values.

Behaviour of FlexibleArgumentParser in vllm/utils/argparse_utils.py (0.11.2 and 0.17.1): underscores stand for dashes,
-O<level> has a long form, and --flag.key.key=value, or --flag.key+ for an element of a list, builds up JSON.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

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
    """Put all that is given by key into one JSON value per flag, at the end."""
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
