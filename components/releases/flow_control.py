"""The settings of flow control in the configuration of each family of pickers.

Sources: kubernetes-sigs/gateway-api-inference-extension v1.4.0 and llm-d/llm-d-router v0.10.0,
apix/config/v1alpha1/endpointpickerconfig_types.go.
"""

from math import ceil

from components.config.routing import Priority, Queueing
from components.config.vocabulary import Fairness, Ordering
from components.quantity import amount
from components.releases import picker_config as older
from components.releases import router_config as router
from components.releases.picker_config import DEFAULT_POLICIES, FLOW_GATE, EndpointPickerConfig, Plugin

POLICIES = {
    Fairness.ROUND_ROBIN: "round-robin-fairness-policy",
    Fairness.GLOBAL_STRICT: "global-strict-fairness-policy",
    Ordering.FCFS: "fcfs-ordering-policy",
    Ordering.EDF: "edf-ordering-policy",
}
UTILIZATION, CONCURRENCY = "utilization-detector", "concurrency-detector"


def queues(config: EndpointPickerConfig, given: Queueing) -> EndpointPickerConfig:
    """The configuration of a picker up to v0.8 with queues: bytes are numbers, and it has one detector."""
    saturation = given.saturation
    detector = older.SaturationDetector(
        queue_depth_threshold=saturation.queue_depth, kv_cache_util_threshold=saturation.kv_cache
    )
    section = older.FlowControl(
        max_bytes=_bytes(given.max_bytes),
        default_request_ttl=_seconds(given),
        priority_bands=[
            older.PriorityBand(priority=each.priority, max_bytes=_bytes(each.max_bytes), **_refs(each))
            for each in given.priorities
        ],
    )
    said = detector != older.SaturationDetector()
    return _gated(config, given).model_copy(
        update={"flow_control": section, **({"saturation_detector": detector} if said else {})}
    )


def router_queues(config: EndpointPickerConfig, given: Queueing) -> EndpointPickerConfig:
    """The configuration of a picker of llm-d-router with queues: the detector is a plugin."""
    saturation = given.saturation
    utilization = {"queueDepthThreshold": saturation.queue_depth, "kvCacheUtilThreshold": saturation.kv_cache}
    parameters = {name: value for name, value in utilization.items() if value is not None}
    detector = CONCURRENCY if saturation.concurrency else UTILIZATION if parameters else None
    if saturation.concurrency:
        parameters = {"maxConcurrency": saturation.concurrency}
    section = router.RouterFlowControl(
        max_bytes=_bytes(given.max_bytes),
        max_requests=given.max_requests,
        default_request_ttl=_seconds(given),
        priority_bands=[
            router.RouterBand(priority=each.priority, max_bytes=_bytes(each.max_bytes), **_refs(each))
            for each in given.priorities
        ],
        saturation_detector=router.Referring(plugin_ref=detector) if detector else None,
    )
    gated = _gated(config, given)
    plugins = [*gated.plugins, *([Plugin(type=detector, parameters=parameters)] if detector else [])]
    return gated.model_copy(update={"flow_control": section, "plugins": plugins})


def _gated(config: EndpointPickerConfig, given: Queueing) -> EndpointPickerConfig:
    """With the gate, and the policies that the picker does not list by itself."""
    named = {name for each in given.priorities for name in _refs(each).values()} - {*DEFAULT_POLICIES}
    plugins = [*config.plugins, *(Plugin(type=name) for name in sorted(named))]
    return config.model_copy(update={"feature_gates": [*(config.feature_gates or []), FLOW_GATE], "plugins": plugins})


def _refs(each: Priority) -> dict[str, str]:
    policies = {"fairness_policy_ref": each.fairness, "ordering_policy_ref": each.ordering}
    return {name: POLICIES[policy] for name, policy in policies.items() if policy}


def _bytes(quantity: str | None) -> int | None:
    return ceil(amount(quantity)) if quantity else None


def _seconds(given: Queueing) -> str | None:
    return f"{given.request_ttl}s" if given.request_ttl else None
