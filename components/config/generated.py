"""Pages of the docs that are written from the code, and whether they are what it says."""

import sys
from collections.abc import Mapping
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def written(pages: Mapping[Path, str], module: str, *, check: bool) -> int:
    """Write the pages that are stale, or with `check` name them; the exit code. `module` is what writes them."""
    stale = {file: text for file, text in pages.items() if not file.exists() or file.read_text() != text}
    for file, text in stale.items():
        if check:
            print(f"{file.parent.name}/{file.name} is stale: run `python -m {module}`", file=sys.stderr)
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
    return 1 if check and stale else 0
