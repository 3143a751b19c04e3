"""The corpus of bad stack files, with the expected report of each, and of settings that can be deployed.

A file of `files/` holds several `config:` blocks. Comments before each block give the setting (`at`), and parts of the
report's texts `wrong` and `change`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent / "files"
_EXPECTED = re.compile(r"^# (at|wrong|change): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class BadStack:
    """One stack file that cannot be deployed."""

    name: str
    """`<subject>-<number in the file>-<setting>`."""
    config: dict[str, Any]
    at: str
    wrong: str
    change: str = ""


def accepted() -> list[dict[str, Any]]:
    """Settings `serving` that are right, and close to wrong ones."""
    found: list[dict[str, Any]] = yaml.safe_load((HERE.parent / "accepted.yaml").read_text())
    return found


def corpus() -> list[BadStack]:
    """All of them, in the order of the files."""
    return [
        _read(file.stem, number, text)
        for file in sorted(HERE.glob("*.yaml"))
        for number, text in enumerate(file.read_text().split("\n---\n"), start=1)
    ]


def _read(subject: str, number: int, text: str) -> BadStack:
    expected = dict(_EXPECTED.findall(text))
    return BadStack(f"{subject}-{number}-{expected['at']}", yaml.safe_load(text), **expected)
