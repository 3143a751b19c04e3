"""Property paths as the engine writes them: `spec.containers[0].image`, `metadata.labels["a/b"]`."""

import json
import re

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_TOKEN = re.compile(r"""\.?([^.\[\]"]+)|\[(\d+|\*)\]|\["((?:[^"\\]|\\.)*)"\]""")


def text(path: Path) -> str:
    """Write a path."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        elif _PLAIN.match(part):
            written += f".{part}" if written else part
        else:
            written += f"[{json.dumps(part)}]"
    return written


def parse(written: str) -> Path:
    """Read a path; `*` stays a text that `covers` takes for any part."""
    parts: list[str | int] = []
    for name, index, quoted in _TOKEN.findall(written):
        if index and index != "*":
            parts.append(int(index))
        else:
            parts.append(name or index or quoted.replace('\\"', '"'))
    return tuple(parts)


def covers(pattern: Path, path: Path) -> bool:
    """Whether `path` is at or below `pattern`."""
    if len(pattern) > len(path):
        return False
    return all(part in ("*", other) for part, other in zip(pattern, path, strict=False))
