"""docs/measurements.md: each benchmark writes its own section."""

import datetime
import os
import platform
import re
from collections.abc import Sequence

from sandbox.home import CHECKOUT

PAGE = CHECKOUT / "docs" / "measurements.md"


def write(section: str, table: Sequence[Sequence[str]], note: str) -> None:
    """Replace a section of the page: where and when it was measured, a note, and the table; print the table."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    head, *rows = (f"| {' | '.join(row)} |" for row in table)
    today = datetime.datetime.now(datetime.UTC).date()
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    body = f"<!-- begin {section} -->\nMeasured on {today} with {machine}. {note}\n\n"
    body += "\n".join([head, "|---" + "|---:" * (len(table[0]) - 1) + "|", *rows]) + f"\n<!-- end {section} -->"
    found = re.compile(f"<!-- begin {section} -->.*?<!-- end {section} -->", re.DOTALL)
    PAGE.write_text(found.sub(lambda _: body, PAGE.read_text()))
