"""`python -m review markdown …`: previews as Markdown. `python -m review comment …`: Markdown as a comment."""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from review.changes import read
from review.markdown import clipped, document, marker


def _markdown(arguments: argparse.Namespace) -> int:
    """Print one document with a section per preview; return 1 if a preview failed."""
    previews = [
        read(stack, Path(file).read_text()) for stack, _, file in (each.partition("=") for each in arguments.of)
    ]
    print(document(arguments.marker, arguments.intro, previews, arguments.more), end="")
    return 1 if any(preview.errors for preview in previews) else 0


def _comment(arguments: argparse.Namespace) -> int:
    """Post a document as a comment; replace the comment with the same marker."""
    text = clipped(Path(arguments.file).read_text(errors="replace"))
    if text.partition("\n")[0] != marker(arguments.marker):
        print(f"error: {arguments.file} is no document of --marker {arguments.marker!r}", file=sys.stderr)
        return 1
    variables = ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
    missing = [name for name in variables if not os.environ.get(name)]
    if missing:
        print(
            f"error: {', '.join(missing)} not set: a workflow has them, and gives the token in `env`", file=sys.stderr
        )
        return 1
    repository = Repository(*(os.environ[name] for name in variables))
    try:
        print(repository.put(arguments.pull_request, text))
    except urllib.error.URLError as error:
        print(f"error: GitHub did not take the comment: {error}; the job needs pull-requests: write", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m review", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    markdown = commands.add_parser("markdown", help=_markdown.__doc__)
    markdown.add_argument("of", nargs="+", metavar="STACK=FILE", help="what `pulumi preview --json --diff` printed")
    markdown.add_argument("--marker", required=True, help="name of the comment on the pull request")
    markdown.add_argument("--intro", default="", help="first line of the document")
    markdown.add_argument("--more", default="`pulumi preview --diff` shows them", help="how to see what does not fit")
    markdown.set_defaults(run=_markdown)
    comment = commands.add_parser("comment", help=_comment.__doc__)
    comment.add_argument("file", help="a document of `markdown`")
    comment.add_argument("--marker", required=True, help="marker of the document; others are refused")
    comment.add_argument("--pull-request", type=int, required=True, metavar="NUMBER", help="number of the pull request")
    comment.set_defaults(run=_comment)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    arguments = _parser().parse_args(words)
    return int(arguments.run(arguments))


PAGE = 100
"""Comments per request; GitHub's maximum."""

AUTHOR = "github-actions[bot]"
"""Only comments of this author are edited, so a person may quote a marker."""

SECONDS = 30


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub, with a token that may comment (the workflow's GITHUB_TOKEN)."""

    api: str
    name: str
    token: str

    def put(self, pull_request: int, body: str) -> str:
        """Replace the comment that begins with the first line of `body`, or create it. Return what was done."""
        mark = body.partition("\n")[0]
        for comment in self._comments(pull_request):
            if comment["user"]["login"] == AUTHOR and comment["body"].startswith(mark):
                self._call("PATCH", f"issues/comments/{comment['id']}", {"body": body})
                return f"edited comment {comment['id']}"
        made = self._call("POST", f"issues/{pull_request}/comments", {"body": body})
        return f"made comment {made['id']}"

    def _comments(self, pull_request: int) -> Iterator[dict[str, Any]]:
        number = 1
        while True:
            page = self._call("GET", f"issues/{pull_request}/comments?per_page={PAGE}&page={number}")
            yield from page
            if len(page) < PAGE:
                return
            number += 1

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.api}/repos/{self.name}/{path}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={
                "Authorization": f"Bearer {self.token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return json.load(response)


if __name__ == "__main__":
    sys.exit(main())
