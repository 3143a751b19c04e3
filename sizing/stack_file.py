"""Puts values into a stack file's text. Its comments and its order stay."""

from collections.abc import Sequence
from typing import Any

import yaml


def put(text: str, path: Sequence[str], value: Any) -> str:
    """The text with `value` at `path`: in place of what is there, else behind the last key of the deepest mapping."""
    node = yaml.compose(text)
    if not isinstance(node, yaml.MappingNode):
        return str(yaml.safe_dump(_nested(path, value), sort_keys=False))
    for depth, key in enumerate(path):
        found = next((each for name, each in node.value if name.value == key), None)
        if found is None:
            return _added(text, node, path[depth:], value)
        last = depth == len(path) - 1
        if last or not isinstance(found, yaml.MappingNode):
            new = value if last else _nested(path[depth + 1 :], value)
            written = _written(new)
            gap = "" if text[found.start_mark.index - 1 : found.start_mark.index].isspace() else " "
            return text[: found.start_mark.index] + gap + written + text[_end(found) :]
        node = found
    return text


def _added(text: str, node: yaml.MappingNode, path: Sequence[str], value: Any) -> str:
    if node.flow_style:
        at = node.start_mark.index + 1
        return f"{text[:at]}{_written(_nested(path, value))[1:-1]}{', ' if node.value else ''}{text[at:]}"
    end = _end(node)
    line = text.find("\n", end - 1) + 1 or len(text)
    margin = " " * node.start_mark.column
    lines = str(yaml.safe_dump(_nested(path, value), sort_keys=False)).splitlines()
    new = "".join(f"{margin}{each}\n" for each in lines)
    return text[:line] + ("" if text[:line].endswith("\n") else "\n") + new + text[line:]


def _end(node: yaml.Node) -> int:
    """Where a node's last character ends: a mark of a block is where the next one begins, behind comments."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.index)


def _nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _written(value: Any) -> str:
    return str(yaml.safe_dump([value], default_flow_style=True, sort_keys=False, width=10_000)).strip()[1:-1]
