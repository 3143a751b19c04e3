"""Selectors of objects that exist already: what of them would outlive a take-over.

Server-side apply adds to a map what the program sets, and leaves there what others have set. A selector with a label
too many selects nothing.
"""

import json
from collections.abc import Mapping, Sequence

from preflight.answers import Object
from preflight.declared import Declared

FIELDS = {"Service": ("spec", "selector")}
USUAL = ("spec", "selector", "matchLabels")
KINDS = ("Deployment", "InferencePool", "PodMonitor", "ServiceMonitor", "Service")
"""Kinds with a selector."""


def planned(declared: Sequence[Declared]) -> dict[str, Mapping[str, str]]:
    """The selectors that the program sets, by `Kind/name`."""
    return {each.short: of(each, each.document) for each in declared if each.kind in KINDS}


def of(declared: Declared, document: Object) -> Mapping[str, str]:
    """The labels that an object selects by."""
    at = document
    for key in FIELDS.get(declared.kind, USUAL):
        at = at.get(key) or {}
    return at


def correction(declared: Declared, wanted: Mapping[str, str]) -> str:
    """The command that gives a live object our selector."""
    path = "/" + "/".join(FIELDS.get(declared.kind, USUAL))
    patch = json.dumps([{"op": "replace", "path": path, "value": dict(wanted)}], separators=(",", ":"))
    return f"kubectl -n {declared.namespace} patch {declared.resource} {declared.name} --type=json -p '{patch}'"
