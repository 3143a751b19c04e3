"""The Markdown: its order, its folded blocks, and its size within GitHub's limit."""

import re

import pytest

from review.changes import Change, Preview
from review.fields import SECRET, Field
from review.markdown import LIMIT, LONGEST, clipped, document, marker

GITHUB = 65_536
"""GitHub's limit for the characters of a comment."""


def written(*changes: Change, limit: int = LIMIT, errors: tuple[str, ...] = ()) -> str:
    return document("sandbox", "What it would do.", [Preview("amd", changes, 20, errors)], "see `there`", limit)


def change(*fields: Field, operation: str = "update", subject: str = "Deployment llm/a") -> Change:
    return Change(operation, subject, fields, ())


def diff(text: str) -> list[str]:
    found = re.search(r"^(`{3,})diff\n(.*?)^\1$", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[2].splitlines()


def test_marker_summary_and_one_folded_block_per_change() -> None:
    text = written(
        change(operation="delete", subject="Secret llm/x"),
        Change("replace", "Deployment llm/b", (Field("spec.replicas", "1", "2"),), ("metadata.name",)),
        change(Field("spec.x", None, "1")),
        change(Field("spec.y", "1", None)),
    )
    assert text.startswith(
        f"{marker('sandbox')}\nWhat it would do.\n\n### Stack `amd`: 1 to delete, 1 to replace, 2 to "
    )
    assert "2 to update, 20 unchanged\n" in text
    assert text.count("<details><summary>") == text.count("</details>") == 3
    assert "<b>delete</b> Secret llm/x\n" in text
    assert "<summary><b>replace</b> Deployment llm/b, 1 field</summary>\n\nReplaced because of `metadata.name`." in text
    assert diff(text) == ["@@ spec.replicas @@", "- 1", "+ 2"]
    assert "@@ spec.x @@\n+ 1\n" in text and "@@ spec.y @@\n- 1\n" in text


def test_a_preview_without_changes_is_one_sentence() -> None:
    assert written() == f"{marker('sandbox')}\nWhat it would do.\n\n### Stack `amd`: no changes, 20 unchanged\n"


def test_the_sizes_of_a_stack_stand_before_its_changes() -> None:
    preview = Preview("amd", (change(Field("a", "1", "2")),), sizing="sizing on H200, GiB per GPU\n  tier")
    text = document("sandbox", "", [preview], "", LIMIT)
    assert text.index("```text\nsizing on H200, GiB per GPU\n  tier\n```") < text.index("<b>update</b>")


def test_a_long_text_shows_only_lines_that_differ() -> None:
    before = "\n".join(f"line {number}" for number in range(100))
    assert diff(written(change(Field("data.x", before, before.replace("line 50", "other"))))) == [
        "@@ data.x @@",
        *("  line 48", "  line 49", "- line 50", "+ other", "  line 51", "  line 52"),
    ]


def test_a_difference_without_values_is_shown() -> None:
    text = written(change(Field("data", SECRET, SECRET), Field("spec.x", None, None, known=False)))
    assert diff(text) == ["@@ data @@", "! [secret], another one", "@@ spec.x @@", "! differs"]


def test_a_failed_preview_shows_its_errors_and_changes() -> None:
    text = written(change(Field("a", "1", "2")), errors=("Pulumi.amd.yaml cannot be deployed\n  wrong: x", "and y"))
    assert (
        "### Stack `amd`: the preview failed\n\n```text\nPulumi.amd.yaml cannot be deployed\n  wrong: x\n\nand y\n```\n"
        in text
    )
    assert "<b>update</b>" in text


def test_the_cost_of_a_change_stands_before_the_changes() -> None:
    preview = Preview("amd", (change(Field("a", "1", "2")),), 20, costs=("cost of this change:\nan outage",))
    text = document("sandbox", "What it would do.", [preview], "see `there`", LIMIT)
    assert text.index("```text\ncost of this change:\nan outage\n```") < text.index("<details>")


def test_texts_cannot_close_their_fence_or_tag() -> None:
    text = written(change(Field("a", "x", "```\n</details>\n````"), subject="Deployment <img src=x>/`a`"))
    assert "`````diff\n" in text and text.count("`````") == 2
    assert "<img" not in text


def test_long_lines_and_texts_are_cut() -> None:
    lines = diff(written(change(Field("a", "x" * 1000, "\n".join("y" for _ in range(500))))))
    assert max(map(len, lines)) <= LONGEST and lines[1].endswith("…")
    assert len(lines) < 100 and re.fullmatch(r"  … \d+ more lines", lines[-1])


def big(count: int, letter: str = "ü") -> tuple[Change, ...]:
    """Changes of about 5000 bytes each."""
    return tuple(
        change(*(Field(f"f{n}", None, letter * 100) for n in range(25)), subject=f"X y/{k}") for k in range(count)
    )


@pytest.mark.parametrize("count", [1, 14, 100])
@pytest.mark.parametrize("stacks", [1, 3])
def test_a_document_always_fits_and_counts_what_is_left_out(count: int, stacks: int) -> None:
    previews = [Preview(f"s{number}", big(count)) for number in range(stacks)]
    text = document("sandbox", "", previews, "see `there`")
    assert len(text) <= len(text.encode()) <= LIMIT < GITHUB
    assert text.count("### Stack") == stacks
    assert text.count("<details>") == text.count("</details>")
    assert text.count("```") % 2 == 0
    full, named = text.count("<summary>"), text.count("\n- <b>")
    missing = [
        tuple(map(int, pair)) for pair in re.findall(r"(\d+) changes did not fit here in full, (\d+) of them", text)
    ]
    assert full + sum(left for left, _ in missing) == stacks * count
    assert named == sum(left - unnamed for left, unnamed in missing)
    assert text.count("by name: see `there`\n") == len(missing)
    assert bool(missing) == (stacks * count > 13)


def test_a_big_stack_uses_the_bytes_that_a_small_stack_leaves() -> None:
    text = document("sandbox", "", [Preview("small"), Preview("big", big(12))], "")
    assert text.count("<summary>") == 12


def test_a_clipped_text_is_within_the_limit() -> None:
    assert clipped("short") == "short"
    cut = clipped("ü" * 100_000)
    assert len(cut.encode()) <= LIMIT and cut.endswith("longer than a comment may be.\n")
