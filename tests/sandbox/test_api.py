"""The API server as the sandbox's own parts see it: watches that tell everything, and errors of one line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import takewhile
from pathlib import Path
from threading import Thread

import pytest
import yaml

from sandbox.cluster.api import Api, ApiError, Event, connect
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT
from tests.sandbox.running import Running

NOBODY = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "gone",
    "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "gone"}}],
    "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "gone", "user": {}}],
}
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def api(cluster: Running) -> Iterator[Api]:
    with connect(cluster.host_kubeconfig) as connected:
        yield connected


def config_map(name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def told(event: Event) -> tuple[str, str]:
    return event[0], event[1]["metadata"]["name"]


def test_a_stopped_sandbox_is_named_with_the_way_back(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(NOBODY))
    with connect(file) as api, pytest.raises(SandboxError, match="stopped meanwhile; `make up` starts it again"):
        api.get("/api/v1/nodes")


def test_a_refusal_is_in_the_servers_own_words(api: Api) -> None:
    with pytest.raises(ApiError, match='NotFound: configmaps "nothing" not found') as refused:
        api.get(f"{MAPS}/nothing")
    assert refused.value.code == 404


def test_a_watch_tells_what_exists_then_what_changes(api: Api) -> None:
    api.create(MAPS, config_map("early"))
    watch = api.watch(MAPS)
    existing = [told(event) for event in takewhile(lambda event: event[0] != "SYNCED", watch)]
    assert ("ADDED", "early") in existing
    api.patch(f"{MAPS}/early", {"data": {"key": "value"}})
    changed = next(watch)
    assert (told(changed), changed[1]["data"]) == (("MODIFIED", "early"), {"key": "value"})
    api.delete(f"{MAPS}/early")
    assert told(next(watch)) == ("DELETED", "early")
    api.create(MAPS, config_map("late"))
    assert told(next(watch)) == ("ADDED", "late")
    api.delete(f"{MAPS}/late")


def test_listed_objects_say_what_they_are(api: Api) -> None:
    kind, namespace = next(api.watch("/api/v1/namespaces", fieldSelector="metadata.name=default"))
    assert (kind, namespace["kind"], namespace["apiVersion"]) == ("ADDED", "Namespace", "v1")


def test_a_watch_goes_on_after_an_interruption_and_tells_what_vanished_meanwhile(api: Api) -> None:
    api.create(MAPS, config_map("vanishing"))
    watch = api.watch(MAPS, timeoutSeconds="1")  # the server ends it after a second, and we list again
    assert ("ADDED", "vanishing") in [told(event) for event in takewhile(lambda event: event[0] != "SYNCED", watch)]
    assert ("MODIFIED", "vanishing") in [told(event) for event in takewhile(lambda event: event[0] != "SYNCED", watch)]
    api.delete(f"{MAPS}/vanishing")
    assert told(next(watch)) == ("DELETED", "vanishing")


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


def test_importing_it_costs_neither_the_pulumi_sdk_nor_the_kubernetes_client() -> None:
    code = "import sys, sandbox.cluster.api; print({'pulumi', 'grpc', 'kubernetes'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
