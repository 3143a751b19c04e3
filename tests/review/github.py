"""A server with the part of GitHub's API that handles comments."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.http_server import Handler, listening

TOKEN = "ghs_of_the_workflow"


class GitHub(Handler):
    """Keeps comments of pull request 7 of llm/stacks, in pages."""

    comments: list[dict[str, Any]]

    def do_GET(self) -> None:
        found = re.fullmatch(r"/repos/llm/stacks/issues/7/comments\?per_page=(\d+)&page=(\d+)", self.path)
        size, number = map(int, found.groups()) if found else (0, 1)
        self._answer(200 if found else 404, self.comments[size * (number - 1) : size * number])

    def do_POST(self) -> None:
        made = {"id": len(self.comments) + 1, "user": {"login": "github-actions[bot]"}, **json.loads(self.body())}
        self.comments.append(made)
        self._answer(201 if self.path == "/repos/llm/stacks/issues/7/comments" else 404, made)

    def do_PATCH(self) -> None:
        [one] = [each for each in self.comments if self.path == f"/repos/llm/stacks/issues/comments/{each['id']}"]
        one |= json.loads(self.body())
        self._answer(200, one)

    def _answer(self, status: int, body: Any) -> None:
        right = self.headers["Authorization"] == f"Bearer {TOKEN}"
        self.answer(status if right else 403, json.dumps(body).encode())


@contextmanager
def serving() -> Iterator[dict[str, str]]:
    """Start without comments; yield the variables of a workflow."""
    GitHub.comments = []
    with listening(GitHub) as port:
        api = f"http://127.0.0.1:{port}"
        yield {"GITHUB_API_URL": api, "GITHUB_REPOSITORY": "llm/stacks", "GITHUB_TOKEN": TOKEN}
