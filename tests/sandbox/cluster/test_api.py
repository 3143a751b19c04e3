"""The client of the API server: watches are complete across interruptions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import yaml

from sandbox.cluster.api import Api, Event, connect

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "gone",
    "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "gone"}}],
    "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "gone", "user": {}}],
}
MAPS = "/api/v1/namespaces/default/configmaps"


def described(event: Event) -> tuple[str, str]:
    return event[0], event[1]["metadata"]["name"]


class Forgetful(BaseHTTPRequestHandler):
    """An API server with watches that end at once, and a second list without the first one's object."""

    lists = iter(([{"metadata": {"name": "vanishing", "uid": "1"}}], []))

    def do_GET(self) -> None:
        body: dict[str, object] = {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}}
        text = b"" if "watch=true" in self.path else json.dumps({**body, "items": next(self.lists)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], tmp_path: Path) -> Iterator[Api]:
    """Yield a client of a server in this process."""
    file = tmp_path / "kubeconfig"
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        there = {"name": "gone", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        file.write_text(yaml.safe_dump({**KUBECONFIG, "clusters": [there]}))
        with connect(file) as api:
            yield api
        server.shutdown()


def test_an_object_that_vanished_between_watches_is_deleted(tmp_path: Path) -> None:
    with served(Forgetful, tmp_path) as api:
        watch = api.watch(MAPS)
        assert [described(next(watch)), next(watch)[0], described(next(watch))] == [
            ("ADDED", "vanishing"),
            "SYNCED",
            ("DELETED", "vanishing"),
        ]
