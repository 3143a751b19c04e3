"""Formats previews as Markdown: collapsed, sorted, within GitHub's limit for comments."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from review.changes import ORDER, Change, Preview
from review.fields import Field

LIMIT = 65_000
"""Bytes of a document. GitHub refuses comments of more than 65,536 characters; a text has at least as many bytes."""

LONGEST = 160
"""Characters shown of a line."""

CUT = "\n\n… cut here: longer than a comment may be.\n"

LINES = 80


def marker(name: str) -> str:
    """Return the invisible first line that identifies a comment."""
    return f"<!-- llm-d-pd review: {name} -->"


def document(name: str, intro: str, previews: Sequence[Preview], more: str, limit: int = LIMIT) -> str:
    """Return one section per stack, within `limit` bytes in total; `more` says how to see the changes left out."""
    head = f"{marker(name)}\n{intro}\n"
    free = limit - _size(head)
    parts = []
    for left, preview in zip(range(len(previews), 0, -1), previews, strict=True):
        part = section(preview, more, free // left)
        parts.append(part)
        free -= _size(part)
    return clipped(head + "".join(parts), limit)


def clipped(text: str, limit: int = LIMIT) -> str:
    """Return the text, cut to `limit` bytes."""
    if _size(text) <= limit:
        return text
    return text.encode()[: limit - _size(CUT)].decode(errors="ignore") + CUT


def section(preview: Preview, more: str, limit: int) -> str:
    """Return a stack's changes: in full while they fit, then by name, then as a number."""
    head = f"\n### Stack `{preview.stack}`: {_summary(preview)}\n"
    if preview.errors:
        head += "\n" + _fenced("text", _cut("\n\n".join(preview.errors).splitlines(), LINES))
    if preview.sizing:
        head += "\n" + _fenced("text", _cut(preview.sizing.splitlines(), LINES))
    for cost in preview.costs:
        head += "\n" + _fenced("text", cost.splitlines())
    return head + _fitting(preview.changes, more, limit - _size(head))


def _summary(preview: Preview) -> str:
    if preview.errors:
        return "the preview failed"
    count = Counter(change.operation for change in preview.changes)
    counts = [f"{count[each]} to {each}" for each in ORDER if count[each]]
    return ", ".join([*(counts or ["no changes"]), f"{preview.unchanged} unchanged"])


def _fitting(changes: Sequence[Change], more: str, limit: int) -> str:
    """Return blocks in order while they fit, then names while they fit, then the number of the others."""
    limit -= _size(_left_out(len(changes), len(changes), more))
    text, left_out, unnamed = "", [], 0
    for change in changes:
        block = _block(change)
        if _size(text) + _size(block) <= limit:
            text += block
        else:
            left_out.append(f"- {_title(change)}\n")
    for position, name in enumerate(left_out):
        lead = "" if position else "\n"
        if _size(text) + _size(lead + name) <= limit:
            text += lead + name
        else:
            unnamed += 1
    return text + (_left_out(len(left_out), unnamed, more) if left_out else "")


def _left_out(count: int, unnamed: int, more: str) -> str:
    return f"\n{count} changes did not fit here in full, {unnamed} of them not even by name: {more}\n"


def _block(change: Change) -> str:
    if not change.fields:
        return f"\n{_title(change)}\n"
    fields = "\n".join(line for field in change.fields for line in _field(field))
    why = (
        f"\nReplaced because of {', '.join(f'`{_plain(each)}`' for each in change.reasons)}.\n"
        if change.reasons
        else ""
    )
    body = _fenced("diff", fields.splitlines())
    return f"\n<details><summary>{_title(change)}</summary>\n{why}\n{body}\n</details>\n"


def _title(change: Change) -> str:
    count = len(change.fields)
    fields = f", {count} field{'' if count == 1 else 's'}" if count else ""
    return f"<b>{change.operation}</b> {escape(change.subject)}{fields}"


def _field(field: Field) -> Iterator[str]:
    """Yield the field's path, then its old and new value; of long texts only the lines that differ."""
    yield f"@@ {field.path} @@"
    if not field.known:
        yield "! differs"
        return
    before, after = (None if text is None else text.splitlines() or [""] for text in (field.before, field.after))
    if before == after:
        yield f"! {(before or [''])[0]}, another one"
    elif before is None or after is None or max(len(before), len(after)) == 1:
        sides = [*(f"- {line}" for line in before or []), *(f"+ {line}" for line in after or [])]
        yield from _cut(sides, LINES)
    else:
        lines = list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:]
        yield from _cut([f"{line[0]} {line[1:]}" for line in lines if not line.startswith("@@")], LINES)


def _cut(lines: Iterable[str], most: int) -> list[str]:
    shown = [line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…" for line in lines]
    return shown if len(shown) <= most else [*shown[: most - 1], f"  … {len(shown) - most + 1} more lines"]


def _fenced(language: str, lines: Sequence[str]) -> str:
    """Return the text in a fence that is longer than any fence inside it."""
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}\n"


def _plain(path: str) -> str:
    return path.replace("`", "'")


def _size(text: str) -> int:
    return len(text.encode())
