"""The API server as the sandbox's own parts see it: watches that tell everything, and errors of one line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from sandbox.cluster.api import Api, Event, connect
from sandbox.errors import SandboxError

NOBODY = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "gone",
    "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "gone"}}],
    "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "gone", "user": {}}],
}
MAPS = "/api/v1/namespaces/default/configmaps"


def told(event: Event) -> tuple[str, str]:
    return event[0], event[1]["metadata"]["name"]


def test_a_stopped_sandbox_is_named_with_the_way_back(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(NOBODY))
    with connect(file) as api, pytest.raises(SandboxError, match="stopped meanwhile; `make up` starts it again"):
        api.get("/api/v1/nodes")


class Forgetful(BaseHTTPRequestHandler):
    """An API server whose watches end at once, and whose second list lacks what the first had."""

    lists = iter(([{"metadata": {"name": "vanishing", "uid": "1"}}], []))

    def do_GET(self) -> None:
        body: dict[str, object] = {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}}
        text = b"" if "watch=true" in self.path else json.dumps({**body, "items": next(self.lists)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Busy(BaseHTTPRequestHandler):
    """An API server whose storage is not ready at first."""

    answers = iter((429, 429, 200))

    def do_GET(self) -> None:
        self.send_response(next(self.answers))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], tmp_path: Path) -> Iterator[Api]:
    """Yield the API of a server of ours."""
    file = tmp_path / "kubeconfig"
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        there = {"name": "gone", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        file.write_text(yaml.safe_dump({**NOBODY, "clusters": [there]}))
        with connect(file) as api:
            yield api
        server.shutdown()


def test_what_vanished_while_nobody_watched_is_told_as_deleted(tmp_path: Path) -> None:
    with served(Forgetful, tmp_path) as api:
        watch = api.watch(MAPS)
        assert [told(next(watch)), next(watch)[0], told(next(watch))] == [
            ("ADDED", "vanishing"),
            "SYNCED",
            ("DELETED", "vanishing"),
        ]


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    with served(Busy, tmp_path) as api:
        assert api.get(MAPS) == {}
