"""Names of the EPP's metrics in dashboards and alerts: `metrics.yaml` has those of each release."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring.alerts import rule
from components.monitoring.dashboards import dashboards
from components.monitoring.grafana import text
from components.plan import resolve
from tests.recorder import ROOT
from tests.stack_file import settings

FOLDER = Path(__file__).parent
NAMES = {release: set(names) for release, names in yaml.safe_load((FOLDER / "metrics.yaml").read_text()).items()}
EPPS = re.compile(r"\b(?:inference_(?:objective|pool|extension)|llm_d)_[a-z0-9_]+")
PAGE = (ROOT / "docs" / "monitoring.md").read_text()


def _expressions(release: str) -> str:
    queues: dict[str, Any] = {} if release == "0.4" else {"routing__flowControl": {}}
    args = resolve(settings(release=release, monitoring__enabled=True, **queues)).monitoring
    assert args
    assert args.alerts
    made: list[Any] = [rule(args, args.alerts)["groups"][0]["rules"]]
    made += [json.loads(text(each, "n", "p")) for each in dashboards(args)]
    return json.dumps(made)


@pytest.mark.parametrize("release", NAMES)
def test_dashboards_and_alerts_ask_for_the_metrics_of_the_release(release: str) -> None:
    found = {name for name in EPPS.findall(_expressions(release)) if not name.startswith("llm_d_pd")}
    assert found == NAMES[release]
    labels = "model_server_endpoint" if "llm_d_epp_ready_endpoints" in NAMES[release] else "model_server_pod"
    assert f"by ({labels})" in _expressions(release)


@pytest.mark.parametrize("release", NAMES)
def test_the_page_has_every_name(release: str) -> None:
    assert [name for name in NAMES[release] if name.removesuffix("_bucket") not in PAGE] == []
