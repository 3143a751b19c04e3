"""The pages of the documentation, and the parts of them that tests compare with the project."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
_ROW = re.compile(r"^\| \[?`(serving[^`]*)`\S* \| (.*?) \|", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """Its commands as words, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def settings() -> dict[str, str]:
    """Path and kind of value of each row of docs/settings.md."""
    return dict(_ROW.findall((ROOT / "docs/settings.md").read_text()))


def blocks(*languages: str) -> list[Block]:
    """All blocks of these languages, of all pages, in order."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in FENCED.finditer(text):
            if match[1] in languages:
                found.append(Block(page, text.count("\n", 0, match.start()) + 1, match[1], match[2]))
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCED.sub("", page.read_text())


def commands(program: str) -> list[list[str]]:
    """Every command of `program` in a shell block or in code within the prose, once."""
    written = [words for block in blocks("bash") for words in block.commands]
    for page in PAGES:
        for code in INLINE.findall(prose(page)):
            if code.startswith(f"{program} ") and not re.search(r"[<…]", code):
                written.append(shlex.split(code, comments=True))
    found = [words for words in written if words[0] == program]
    return [list(words) for words in dict.fromkeys(map(tuple, found))]
