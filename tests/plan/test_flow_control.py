"""Queues and priorities: in the EPP's configuration, as objects, in the outputs; refused where they cannot work.

Sources: kubernetes-sigs/gateway-api-inference-extension v1.4.0 and llm-d/llm-d-router v0.10.0,
apix/config/v1alpha1/endpointpickerconfig_types.go; pkg/epp/metadata/consts.go of both.
"""

from typing import Any

import pytest
import yaml

from components.plan import resolve
from tests.program.wire import AMD, ran
from tests.stack_file import problems, settings

FLOW: dict[str, Any] = {
    "maxBytes": "1Gi",
    "requestTtl": 30,
    "saturation": {"queueDepth": 2, "kvCache": 0.7},
    "priorities": [
        {"name": "chat", "priority": 10, "fairness": "roundRobin", "ordering": "edf", "maxBytes": "1M"},
        {"name": "batch", "priority": -1},
    ],
}
BANDS = [
    {
        "priority": 10,
        "fairnessPolicyRef": "round-robin-fairness-policy",
        "orderingPolicyRef": "edf-ordering-policy",
        "maxBytes": 1000000,
    },
    {"priority": -1},
]


def _config(release: str, **flow: Any) -> dict[str, Any]:
    plan = resolve(settings(release=release, routing__flowControl={**FLOW, **flow}))
    config: dict[str, Any] = yaml.safe_load(plan.picker.config)
    return config


def test_the_section_of_0_6() -> None:
    config = _config("0.6")
    assert config["featureGates"] == ["prepareDataPlugins", "flowControl"]
    assert config["flowControl"] == {"maxBytes": 1073741824, "defaultRequestTTL": "30s", "priorityBands": BANDS}
    assert config["saturationDetector"] == {"queueDepthThreshold": 2, "kvCacheUtilThreshold": 0.7}
    assert [each["type"] for each in config["plugins"]][-2:] == ["edf-ordering-policy", "round-robin-fairness-policy"]


def test_the_section_of_0_9() -> None:
    config = _config("0.9", maxRequests=100)
    assert config["featureGates"] == ["flowControl"]
    assert config["flowControl"] == {
        "maxBytes": 1073741824,
        "maxRequests": 100,
        "defaultRequestTTL": "30s",
        "priorityBands": BANDS,
        "saturationDetector": {"pluginRef": "utilization-detector"},
    }
    detector = {"queueDepthThreshold": 2, "kvCacheUtilThreshold": 0.7}
    assert config["plugins"][-1] == {"type": "utilization-detector", "parameters": detector}
    counted = _config("0.9", saturation={"concurrency": 8})
    assert counted["plugins"][-1] == {"type": "concurrency-detector", "parameters": {"maxConcurrency": 8}}
    assert counted["flowControl"]["saturationDetector"] == {"pluginRef": "concurrency-detector"}


@pytest.mark.parametrize("release", ["0.6", "0.9", "0.10"])
@pytest.mark.parametrize("flow", [{}, FLOW])
def test_what_is_rendered_is_right(release: str, flow: dict[str, Any]) -> None:
    assert not problems(release=release, routing__flowControl=flow)
    config = _config(release)
    assert not problems(release=release, routing__config=config)


@pytest.mark.parametrize(
    ("release", "version", "header"),
    [
        ("0.6", "inference.networking.x-k8s.io/v1alpha2", "x-gateway-inference-objective"),
        ("0.9", "llm-d.ai/v1alpha2", "x-llm-d-inference-objective"),
    ],
)
def test_a_priority_is_an_objective_and_a_header(release: str, version: str, header: str) -> None:
    run = ran({**AMD, "release": release, "routing": {"flowControl": FLOW}})
    chat = run.objects["InferenceObjective/gaie-pd-chat"]
    assert chat["apiVersion"] == version
    pool = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "gaie-pd"}
    assert chat["spec"] == {"priority": 10, "poolRef": pool}
    assert run.objects["InferenceObjective/gaie-pd-batch"]["spec"]["priority"] == -1
    assert run.stack_outputs["priorities"] == {"chat": f"{header}: gaie-pd-chat", "batch": f"{header}: gaie-pd-batch"}
