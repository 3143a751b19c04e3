"""Keeps one comment per marker on a pull request: creates it once, then edits it."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PAGE = 100
"""Comments per request; GitHub's maximum."""

AUTHOR = "github-actions[bot]"
"""Only comments of this author are edited, so a person may quote a marker."""

SECONDS = 30
"""Timeout of a request to GitHub."""


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
