"""Selectors of objects that exist already: what of them would outlive a take-over.

Server-side apply adds to a map what the program sets, and leaves there what others have set. A selector with a label
too many selects nothing.
"""

import json
from collections.abc import Mapping

from components.plan import ServingPlan
from preflight.answers import Object
from preflight.declared import Declared

FIELDS = {"Service": ("spec", "selector")}
USUAL = ("spec", "selector", "matchLabels")
KINDS = ("Deployment", "InferencePool", "PodMonitor", "ServiceMonitor", "Service")
"""Kinds with a selector: they are read as a whole."""


def planned(plan: ServingPlan) -> dict[str, Mapping[str, str]]:
    """The selectors that the plan sets, by `Kind/name`."""
    selectors: dict[str, Mapping[str, str]] = {
        f"Deployment/{plan.picker.name}": plan.picker.selector,
        f"Service/{plan.picker.name}": plan.picker.selector,
        f"InferencePool/{plan.pool.name}": plan.pool.selector,
    }
    for tier in (plan.prefill.worker, plan.decode.worker):
        selectors[f"Deployment/{tier.name}"] = tier.selector
    if plan.monitoring:
        selectors |= {f"PodMonitor/{each.name}": each.selector for each in plan.monitoring.tiers.values()}
        selectors[f"ServiceMonitor/{plan.monitoring.picker_monitor}"] = plan.monitoring.picker_selector
    return selectors


def of(declared: Declared, live: Object) -> Mapping[str, str]:
    """The labels that a live object selects by."""
    at = live
    for key in FIELDS.get(declared.kind, USUAL):
        at = at.get(key) or {}
    return at


def correction(declared: Declared, wanted: Mapping[str, str]) -> str:
    """The command that gives a live object our selector."""
    path = "/" + "/".join(FIELDS.get(declared.kind, USUAL))
    patch = json.dumps([{"op": "replace", "path": path, "value": dict(wanted)}], separators=(",", ":"))
    return f"kubectl -n {declared.namespace} patch {declared.resource} {declared.name} --type=json -p '{patch}'"
