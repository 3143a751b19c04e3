"""Names of the EPP's metrics in dashboards and alerts, by release.

Sources: kubernetes-sigs/gateway-api-inference-extension v1.2 and v1.4, pkg/epp/metrics/metrics.go, with
llm-d-inference-scheduler v0.4.0 and v0.7.1, pkg/metrics; llm-d/llm-d-router v0.10.0,
pkg/epp/metrics/llm_d_router_metrics.go and …/profilehandler/disagg/metrics.go.
"""

import json
import re
from typing import Any

import pytest

from components.monitoring.alerts import rule
from components.monitoring.dashboards import dashboards
from components.monitoring.grafana import text
from components.plan import resolve
from tests.recorder import ROOT
from tests.stack_file import settings

LEGACY = {
    "inference_objective_request_total",
    "inference_objective_request_error_total",
    "inference_objective_request_duration_seconds_bucket",
    "inference_pool_ready_pods",
    "inference_pool_per_pod_queue_size",
    "inference_extension_scheduler_e2e_duration_seconds_bucket",
}
ROUTER = {
    "llm_d_epp_disagg_decision_total",
    "llm_d_epp_request_total",
    "llm_d_epp_request_error_total",
    "llm_d_epp_request_duration_seconds_bucket",
    "llm_d_epp_ready_endpoints",
    "llm_d_epp_per_endpoint_queue_size",
    "llm_d_epp_scheduler_e2e_duration_seconds_bucket",
    "llm_d_epp_flow_control_queue_size",
    "llm_d_epp_flow_control_request_queue_duration_seconds_bucket",
}
QUEUES = {
    "inference_extension_flow_control_queue_size",
    "inference_extension_flow_control_request_queue_duration_seconds_bucket",
}
NAMES = {
    "0.4": {*LEGACY, "llm_d_inference_scheduler_pd_decision_total"},
    "0.6": {*LEGACY, *QUEUES, "llm_d_inference_scheduler_disagg_decision_total"},
    "0.9": ROUTER,
    "0.10": ROUTER,
}
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
