"""Each alert fires in its typed cases, and not in others, as the real promtool evaluates it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.promtool import RELEASES, expressions, rule_file, rules, run
from tests.recorder import ROOT

CASES: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "expected" / "alerts.yaml").read_text())
DECISIONS = {
    "0.6": "llm_d_inference_scheduler_disagg_decision_total",
    "0.4": "llm_d_inference_scheduler_pd_decision_total",
}
SELECTIVE = {"0.6": {"nonCachedTokens": 64}, "0.4": {"threshold": 256}}
PAGE = (ROOT / "docs" / "monitoring.md").read_text()


def unit_test(alert: dict[str, Any], case: dict[str, Any], release: str, *, fires: bool) -> dict[str, Any]:
    """A case as promtool reads it."""
    series = []
    for selector, values in case["series"].items():
        assert isinstance(values, str), f"{values}: YAML reads 0x30 as a number"
        name, _, labels = selector.replace("DECISIONS", DECISIONS[release]).rstrip("}").partition("{")
        pool = "" if "pool=" in labels else ', pool="gaie-pd"'
        series.append({"series": f'{name}{{{labels}, namespace="llm-d-pd"{pool}}}', "values": values})
    expected = {
        "exp_labels": {**alert["labels"], **case.get("labels", {})},
        "exp_annotations": {**alert["annotations"], "summary": case.get("summary")},
    }
    rule_test = {"eval_time": case["at"], "alertname": alert["alert"], "exp_alerts": [expected] if fires else []}
    return {"interval": "1m", "input_series": series, "alert_rule_test": [rule_test]}


def unit_tests(found: list[dict[str, Any]], release: str, *, selective: bool) -> list[dict[str, Any]]:
    """All cases of a release."""
    by_name = {rule["alert"]: rule for rule in found}
    return [
        unit_test(by_name[name], case, release, fires=kind == "fires")
        for name, kinds in CASES.items()
        for kind, cases in kinds.items()
        for case in cases
        if case.get("only", release) == release and case.get("selective", False) == selective
    ]


@pytest.mark.parametrize("selective", [False, True])
@pytest.mark.parametrize("release", RELEASES)
def test_alerts_fire_when_they_should_and_not_otherwise(release: str, tmp_path: Path, *, selective: bool) -> None:
    found = rules(release, **({"routing": {"selectivePd": SELECTIVE[release]}} if selective else {}))
    cases = unit_tests(found, release, selective=selective)
    rule_file(tmp_path, found)
    file = tmp_path / "tests.yaml"
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": cases}
    file.write_text(yaml.dump(document, Dumper=NoAliases))
    verdict = run("test", "rules", file)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


class NoAliases(yaml.SafeDumper):
    """promtool reads no shared nodes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def test_each_alert_has_cases_of_both_kinds() -> None:
    assert [rule["alert"] for rule in rules("0.6")] == list(CASES)
    assert all(kinds["fires"] and kinds["silent"] for kinds in CASES.values())


@pytest.mark.parametrize("release", RELEASES)
def test_promtool_parses_every_expression_of_alerts_and_dashboards(release: str, tmp_path: Path) -> None:
    found = expressions(release)
    recorded = [{"record": f"e{number}", "expr": expr} for number, expr in enumerate(found.values())]
    assert run("check", "rules", rule_file(tmp_path, recorded)).returncode == 0
    for wrong in ("sum(up{)", "histogram_quantile(up)", "rate(up)"):
        assert run("check", "rules", rule_file(tmp_path, [{"record": "e", "expr": wrong}])).returncode


@pytest.mark.parametrize("release", RELEASES)
def test_the_operator_s_own_fields_are_promtool_s(release: str, tmp_path: Path) -> None:
    verdict = run("check", "rules", "--lint=all", "--lint-fatal", rule_file(tmp_path, rules(release)))
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


@pytest.mark.parametrize("rule", rules("0.6"), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_happens_what_to_do_and_where_more_is_written(rule: dict[str, Any]) -> None:
    annotations = rule["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"docs/monitoring.md#{rule['alert'].lower()}"
    assert f"\n### {rule['alert']}\n" in PAGE
    assert rule["labels"]["severity"] in ("warning", "critical")


def test_tcp_fallback_is_an_alert_only_where_rdma_is_meant_and_at_the_speed_that_the_settings_say() -> None:
    def slow(**serving: Any) -> list[str]:
        return [rule["expr"].rpartition(" < ")[2] for rule in rules("0.6", **serving) if "Tcp" in rule["alert"]]

    assert slow() == ["1000000000"]
    assert slow(monitoring={"minTransferRate": 250}) == ["250000000"]
    assert slow(rdma=None, hostNetwork=True) == ["1000000000"]
    assert slow(rdma=None, infrastructure="rdma-sriov") == ["1000000000"]
    assert slow(rdma=None) == slow(rdma=None, infrastructure="digitalocean", accelerator="nvidia") == []


def test_runbooks_are_where_the_settings_say() -> None:
    [first, *_] = rules("0.6", monitoring={"runbooks": "https://docs.example.com/pd"})
    assert first["annotations"]["runbook_url"].startswith("https://docs.example.com/pd/monitoring.md#llmd")


def test_a_worker_that_may_take_longer_to_start_is_given_longer() -> None:
    [rule] = [
        each for each in rules("0.6", decode={"rollout": {"startupBudget": 3600}}) if "WorkerDown" in each["alert"]
    ]
    assert rule["for"] == "3900s"
