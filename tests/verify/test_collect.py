"""The report for a maintainer: what is in it, and that planted secrets and addresses are not (collect.yaml)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.verify.fake import APPS, NAMESPACE, FakeCluster
from verify import collect
from verify.redaction import Redaction, without_secrets

TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("collect.yaml").read_text())


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(collect, "_pulumi", lambda *words: "v3.259.0")
    cluster = FakeCluster(TYPED["answers"], {"decode-1/vllm": TYPED["log"]}, forbids=(f"{APPS}/replicasets",))
    cluster.server = "https://api.prod.example.com:6443"
    settings = {"llm-d-pd:serving": {"model": {"name": "meta/llama"}}, "llm-d-pd:hfToken": "(removed)"}
    verification = "ok prefill, asked https://api.prod.example.com:6443"
    return collect.text(cluster, NAMESPACE, settings, verification, hide=[TYPED["addresses"][7]])


def test_the_report_has_what_a_maintainer_needs_without_secrets_and_addresses(report: str) -> None:
    assert [needed for needed in TYPED["needed"] if needed not in report] == []
    assert [planted for planted in [*TYPED["secrets"], *TYPED["addresses"]] if planted in report] == []
    assert "an ordinary line" not in report


def test_an_address_has_the_same_name_everywhere() -> None:
    redacted = Redaction(hosts=["node-7.internal"])
    assert redacted("10.0.0.1 and 10.0.0.2, then 10.0.0.1:80") == "address-1 and address-2, then address-1:80"
    others = "127.0.0.1 0.0.0.0 v1.2.3 12:30:45 http://gaie-pd-epp.llm-d-pd.svc:9002"
    assert redacted(f"node-7.internal:10250 {others}") == f"host-1:10250 {others}"


@pytest.mark.parametrize(("text", "left"), TYPED["redacted"])
def test_values_after_telling_words_are_removed(text: str, left: str) -> None:
    assert without_secrets(text) == left
    assert without_secrets(left) == left


def test_the_context_is_that_of_the_settings() -> None:
    assert collect.context_of({"llm-d-pd:serving": {"cluster": {"context": "prod"}}}) == "prod"
    assert collect.context_of({"llm-d-pd:serving": '{"accelerator": "amd"}'}) is None
