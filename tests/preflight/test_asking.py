"""What a slow, interrupted or long answer of the API server costs a preflight."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import preflight
from access import kubeconfig, server
from preflight.answers import Answer, Question
from preflight.cluster import Cluster
from preflight.finding import Report
from tests.http_server import Handler, listening
from tests.preflight.typed import CLASSES, KUBECONFIG, NODES, Typed, listed, node, plan, serving, whole


@contextmanager
def reached(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    (folder / "kubeconfig").write_text(KUBECONFIG.format(server=url))
    monkeypatch.setenv("KUBECONFIG", str(folder / "kubeconfig"))
    yield Cluster.connect(kubeconfig.read())


class Hanging(Typed):
    """Answers nothing below a path until the test ends."""

    def __init__(self, path: str, answers: dict[str, Any]) -> None:
        super().__init__(answers)
        self.path, self.over = path, Event()

    def ask(self, question: Question) -> Answer:
        if question.path.startswith(self.path):
            self.over.wait(20)
        return super().ask(question)


def _looked(hanging: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(server, "READ_SECONDS", 0.5)
    cluster = Hanging(hanging, whole(**{CLASSES: listed(), "/version": {"gitVersion": "v1.28.0"}}))
    with serving(cluster) as url, reached(url, folder, monkeypatch) as found:
        report = preflight.run(plan(createNamespace=False), found)
        cluster.over.set()
    return report


def test_an_api_group_that_hangs_costs_its_own_finding_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = _looked("/apis/gateway.networking.k8s.io/", tmp_path, monkeypatch)
    assert [each.check for each in report.findings] == ["Kubernetes version", "API server"]
    evidence = report.findings[1].evidence
    assert f"{CLASSES}: no answer within 0.5 s" in evidence
    assert "gateway.networking" in evidence
    assert "monitoring" not in evidence


def test_nodes_that_are_not_answered_cost_what_is_about_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = _looked("/api/v1/nodes", tmp_path, monkeypatch)
    assert [each.check for each in report.findings] == ["Kubernetes version", "gateway class", "API server"]


def test_a_server_that_does_not_answer_at_all_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = _looked("/", tmp_path, monkeypatch)
    assert report.unreachable == "the API server does not answer: no answer within 0.5 s"
    assert not report.findings


def test_a_long_list_is_read_in_pages_and_goes_on_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    image = {"names": ["registry.example/image"], "sizeBytes": 1}
    pages = {
        "": (200, {"metadata": {"continue": "a/b="}, "items": [node("one")]}),
        "a/b=": (410, {"kind": "Status", "metadata": {"continue": "c"}}),
        "c": (200, {"metadata": {}, "items": [{**node("two"), "status": {"images": [image] * 50}}]}),
    }

    class Server(Handler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            asked.append(query["limit"])
            code, body = pages[query.get("continue", [""])[0]]
            self.answer(code, json.dumps(body).encode())

    with (
        listening(Server) as port,
        reached(f"http://127.0.0.1:{port}", tmp_path, monkeypatch) as cluster,
    ):
        answer = cluster.ask(Question(NODES, kept=lambda each: {"name": each["metadata"]["name"]}))
    assert answer == Answer(200, {"items": [{"name": "one"}, {"name": "two"}]})
    assert asked == [["500"]] * 3
