"""A server with the part of GitHub's API that handles comments."""

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TOKEN = "ghs_of_the_workflow"


class GitHub(http.server.BaseHTTPRequestHandler):
    """Keeps comments of pull request 7 of llm/stacks, in pages."""

    comments: list[dict[str, Any]]

    def do_GET(self) -> None:
        found = re.fullmatch(r"/repos/llm/stacks/issues/7/comments\?per_page=(\d+)&page=(\d+)", self.path)
        size, number = map(int, found.groups()) if found else (0, 1)
        self._answer(200 if found else 404, self.comments[size * (number - 1) : size * number])

    def do_POST(self) -> None:
        made = {"id": len(self.comments) + 1, "user": {"login": "github-actions[bot]"}, **self._body()}
        self.comments.append(made)
        self._answer(201 if self.path == "/repos/llm/stacks/issues/7/comments" else 404, made)

    def do_PATCH(self) -> None:
        [one] = [each for each in self.comments if self.path == f"/repos/llm/stacks/issues/comments/{each['id']}"]
        one |= self._body()
        self._answer(200, one)

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, status: int, body: Any) -> None:
        self.send_response(status if self.headers["Authorization"] == f"Bearer {TOKEN}" else 403)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[dict[str, str]]:
    """Start without comments; yield the variables of a workflow."""
    GitHub.comments = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), GitHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api = f"http://127.0.0.1:{server.server_port}"
    yield {"GITHUB_API_URL": api, "GITHUB_REPOSITORY": "llm/stacks", "GITHUB_TOKEN": TOKEN}
    server.shutdown()
