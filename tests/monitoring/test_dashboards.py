"""Dashboards as Grafana reads them: panels typed by hand, series of one install only, a uid for each install."""

from typing import Any

import pytest
import yaml

from components.monitoring.queries import WINDOW
from components.plan.checks.monitoring import LONGEST
from tests.monitoring.promtool import RELEASES, dashboards, expressions
from tests.monitoring.test_alerts import DECISIONS
from tests.program.wire import AMD, made
from tests.recorder import ROOT

EXPECTED: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "expected" / "dashboards.yaml").read_text())
MATCHERS = 'namespace="llm-d-pd", pool="gaie-pd"'


def typed(panel: dict[str, str], release: str) -> dict[str, str]:
    """Unit and lines of a panel that was typed."""
    lines = {key: value for key, value in panel.items() if key != "quantiles"}
    if histogram := panel.get("quantiles"):
        for legend, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            lines[legend] = f"histogram_quantile({share}, sum by (le) (rate({histogram}[5m])))"
    if release == "0.4":
        lines.pop("kv expired reqs {{pod}}", None)
    return {
        key: value.replace("DECISIONS", DECISIONS[release]).replace("{$", f"{{{MATCHERS}")
        for key, value in lines.items()
    }


def shown(dashboard: dict[str, Any]) -> dict[str, dict[str, dict[str, str]]]:
    """Rows, panels, unit and lines of a dashboard."""
    rows: dict[str, dict[str, dict[str, str]]] = {}
    for each in dashboard["panels"]:
        if each["type"] == "row":
            row = rows.setdefault(each["title"], {})
            continue
        lines = {target["legendFormat"]: target["expr"] for target in each["targets"]}
        assert len(lines) == len(each["targets"]) == len({target["refId"] for target in each["targets"]})
        row[each["title"]] = {"unit": each["fieldConfig"]["defaults"]["unit"], **lines}
    return rows


@pytest.mark.parametrize("release", RELEASES)
def test_panels_are_those_typed_by_hand(release: str) -> None:
    found = {word: shown(dashboard) for word, dashboard in dashboards(release).items()}
    assert found == {
        word: {row: {title: typed(panel, release) for title, panel in panels.items()} for row, panels in rows.items()}
        for word, rows in EXPECTED.items()
    }


@pytest.mark.parametrize("release", RELEASES)
def test_every_selector_is_of_this_install(release: str) -> None:
    for place, expression in expressions(release).items():
        assert expression.count("{") == expression.count(f"{{{MATCHERS}"), place


def test_no_two_panels_overlap_and_every_panel_says_what_to_look_for() -> None:
    for dashboard in dashboards("0.6").values():
        taken: set[tuple[int, int]] = set()
        for each in dashboard["panels"]:
            at = each["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, each["title"]
            assert at["x"] + at["w"] <= 24
            taken |= cells
            assert each["type"] == "row" or each["description"]
        assert len({each["id"] for each in dashboard["panels"]}) == len(dashboard["panels"])


def test_one_grafana_can_show_the_dashboards_of_many_installs() -> None:
    found = [
        (word, dashboard, key)
        for serving in ({}, {"postfix": "two"}, {"namespace": "second"})
        for recorder in [made({**AMD, **serving})]
        for word, dashboard in dashboards("0.6", **serving).items()
        for each in recorder.objects.values()
        if each["kind"] == "ConfigMap" and each["metadata"]["name"].endswith(f"-dashboard-{word}")
        for key in each["data"]
    ]
    assert len(found) == 6
    for values in (
        {each["uid"] for _, each, _ in found},
        {each["title"] for _, each, _ in found},
        {key for *_, key in found},
    ):
        assert len(values) == 6
    assert all(len(each["uid"]) <= 40 for _, each, _ in found), "Grafana's limit"


def test_rates_look_back_over_several_scrapes_even_at_the_longest_interval() -> None:
    assert f"{LONGEST * 4 // 60}m" == WINDOW
