"""Dashboards with data of a real Prometheus, which scraped the sandbox under load with the monitors' relabelings."""

import re
from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from tests.monitoring.promtool import dashboards, expressions, panels
from tests.recorder import ROOT
from tests.sandbox.monitoring.seen import ABSENT, PICTURES, SHORT, Seen, paced_cluster, paced_stack, seen
from tests.sandbox.running import Running

METRIC = re.compile(r"([a-zA-Z_:][\w:]*)\{")
ROWS = re.findall(r"^\| `([\w:]+)` \| (.*?) \|", (ROOT / "docs" / "monitoring.md").read_text(), re.MULTILINE)
ONLY_VLLM = {name for name, since in ROWS}
"""Metrics that no simulator exports, by the listed table."""
NOT_IN = {"0.4": {name for name, since in ROWS if "0.6" in since}, "0.6": set[str]()}


def metrics(release: str) -> set[str]:
    """Return every metric in dashboards and alerts of a release."""
    return {name for expression in expressions(release).values() for name in METRIC.findall(expression)}


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Running]:
    with paced_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module", params=["0.6", "0.4"])
def sight(own_cluster: Running, request: pytest.FixtureRequest) -> Iterator[tuple[str, Seen]]:
    with paced_stack(own_cluster) as stack:
        stack.pulumi("config", "set", "--path", "--type=string", "serving.release", request.param)
        stack.up()
        with seen(stack, SHORT) as one:
            yield str(request.param), one


@pytest.mark.thorough
def test_every_panel_has_data_unless_only_real_vllm_exports_it(sight: tuple[str, Seen]) -> None:
    release, one = sight
    assert one.dashboards.keys() == dashboards(release).keys() == {"serving", "disaggregation"}
    for word, dashboard in one.dashboards.items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                if not ONLY_VLLM & set(METRIC.findall(target["expr"])):
                    values = [value for series in one.found[target["expr"]] for _, value in series["values"]]
                    assert set(values) - {"NaN"}, f"{word}: {panel['title']}: {target['expr']}"


@pytest.mark.thorough
def test_every_metric_is_scraped_or_in_the_table_of_real_vllm(sight: tuple[str, Seen]) -> None:
    release, one = sight
    assert metrics(release) - one.prometheus.names() == (ONLY_VLLM - NOT_IN[release]) - {"process_start_time_seconds"}


@pytest.mark.thorough
def test_every_series_has_install_and_role(sight: tuple[str, Seen]) -> None:
    _, one = sight
    counted = {each["metric"]["role"]: each["value"][1] for each in one.prometheus.values("count by (role) (up)")}
    assert counted == {"prefill": "4", "decode": "1", "picker": "1"}
    for label, value in {"namespace": "llm-d-pd", "pool": "gaie-pd"}.items():
        assert one.prometheus.values(f'count({{__name__=~".+", {label}!="{value}", alertname=""}})') == []
    assert one.prometheus.values('count({__name__=~".+", role="", alertname=""})') == []
    [job] = one.prometheus.values('count by (job) (up{role="picker"})')
    assert job["metric"] == {"job": "gaie-pd-epp"}


@pytest.mark.thorough
def test_prometheus_accepts_the_alerts_and_a_healthy_stack_fires_none(sight: tuple[str, Seen]) -> None:
    release, one = sight
    [answer] = one.prometheus.ask("/api/v1/rules")
    [group] = answer["groups"]
    assert {rule["name"]: rule["health"] for rule in group["rules"]} == {
        rule: "ok" for rule in expressions(release) if rule.startswith("Llmd")
    }
    firing = {rule["name"] for rule in group["rules"] if rule["state"] == "firing"}
    assert firing == set()


@pytest.mark.parametrize("word", ["serving", "disaggregation"])
def test_the_pictures_in_the_docs_match_the_dashboards(word: str) -> None:
    picture = ElementTree.parse(PICTURES / f"{word}-dashboard.svg").getroot()
    texts = Counter(each.text for each in picture.iter("{http://www.w3.org/2000/svg}text"))
    today = dashboards("0.6")[word]
    titles = [today["title"], *(each["title"] for each in today["panels"])]
    assert {title: texts[title] for title in titles} == Counter(titles)
    only = [
        panel
        for panel in panels(today)
        if all(ONLY_VLLM & set(METRIC.findall(each["expr"])) for each in panel["targets"])
    ]
    assert texts[ABSENT] == len(only)
    lines = [each for each in picture.iter() if each.get("id") == "series"]
    assert len(lines) >= len(panels(today)) - len(only)


def test_the_table_has_exactly_the_used_metrics() -> None:
    used = metrics("0.6") | metrics("0.4")
    assert used >= ONLY_VLLM
    assert {name for name in used if "nixl" in name} | {"process_start_time_seconds"} == ONLY_VLLM
    for release, without in NOT_IN.items():
        assert not metrics(release) & without
