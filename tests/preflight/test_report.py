"""The report of all checks together."""

import json
from pathlib import Path
from typing import Any

import preflight
from preflight.answers import Question
from preflight.finding import Report, Severity
from preflight.state import State
from tests.preflight.typed import SPACE, Typed, plan, whole

EXISTING: dict[str, Any] = {"createNamespace": False}


def test_a_whole_cluster_has_nothing_in_the_way() -> None:
    report = preflight.run(plan(**EXISTING), Typed(whole()))
    assert report.text() == "preflight of context typed: nothing in the way"
    assert (report.passed, report.uid) == (True, "1111")


def test_everything_is_asked_once() -> None:
    cluster = Typed(whole())
    preflight.run(plan(**EXISTING), cluster)
    assert len(cluster.asked) == len(set(cluster.asked))
    assert cluster.asked[0] == Question("/api/v1/namespaces/kube-system", metadata_only=True)


def test_the_api_server_does_not_answer() -> None:
    report = preflight.run(plan(), Typed(gone=True))
    assert not report.passed
    assert report.text() == "preflight: context typed is not looked at: the API server does not answer: typed"


def test_expired_credentials_are_the_only_finding() -> None:
    report = preflight.run(plan(), Typed(codes={"/api/v1/namespaces/kube-system": 401}))
    assert [each.check for each in report.findings] == ["login"]


def test_on_another_cluster_nothing_else_is_looked_at() -> None:
    cluster = Typed()
    report = preflight.run(plan(), cluster, State(True, "2222"))
    assert [each.check for each in report.findings] == ["another cluster"]
    assert len(cluster.asked) == 1


def test_an_object_that_is_not_understood_is_a_warning_and_hinders_nothing() -> None:
    report = preflight.run(plan(**EXISTING), Typed(whole(**{f"{SPACE}/resourcequotas": {"items": [{}]}})))
    [finding] = report.findings
    assert (finding.severity, finding.check, report.passed) == (Severity.WARNING, "quota", True)


def test_the_report_as_a_person_and_as_a_machine_reads_it() -> None:
    report = preflight.run(
        plan(**EXISTING),
        Typed(whole(**{"/version": {"gitVersion": "v1.28.0"}, SPACE: {"metadata": {"deletionTimestamp": "now"}}})),
    )
    assert report.text() == Path(__file__).with_name("report.txt").read_text().rstrip()
    document = json.loads(report.document())
    assert (document["passed"], document["uid"], len(document["findings"])) == (False, "1111", 2)
    assert document["findings"][0]["severity"] == "error"
    assert Report("c").text() == "preflight of c: nothing in the way"
