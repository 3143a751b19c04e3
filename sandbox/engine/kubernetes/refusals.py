"""What the stand-in refuses, because it would do less than the official plugin."""

from typing import Any

from sandbox.engine.kubernetes import annotations
from sandbox.engine.kubernetes.values import UNKNOWN, plain

Refusal = tuple[str, str]
"""The property and what is wrong with it."""

_TAKEN = {"kubeconfig", "context", "clusterIdentifier", "upsertExistingObjects", "enablePatchForce"}
_IN_PLACE = {"enableConfigMapMutable", "enableSecretMutable"}
_ENGINE_OWN = {"version", "pluginDownloadURL"}


def of_settings(given: dict[str, Any]) -> list[Refusal]:
    """The settings of a provider that can't be used here."""
    values = plain(given)
    unknown = values.keys() - _TAKEN - _IN_PLACE - _ENGINE_OWN
    found = [(name, "it needs the official Kubernetes plugin") for name in sorted(unknown) if name[:2] != "__"]
    found += [
        (name, "the sandbox changes ConfigMaps and Secrets in place only: set it to true")
        for name in sorted(_IN_PLACE)
        if str(values.get(name)).lower() != "true"
    ]
    if values.get("kubeconfig"):
        found.append(("kubeconfig", "the sandbox has its own: leave it empty"))
    return found


def of_object(inputs: dict[str, Any]) -> list[Refusal]:
    """What of an object can never work; a misspelt annotation would otherwise be ignored."""
    metadata = inputs.get("metadata")
    if metadata is UNKNOWN:
        return []
    found = [] if "name" in (metadata or {}) else [("metadata.name", "the sandbox makes no names: set one")]
    known = (annotations.SKIP_AWAIT, annotations.WAIT_FOR)
    found += [
        (f'metadata.annotations["{name}"]', f"the sandbox knows only {' and '.join(known)}")
        for name in annotations.annotations_of(inputs)
        if name.startswith("pulumi.com/") and name not in known
    ]
    try:
        annotations.conditions(inputs)
    except ValueError as error:
        found.append((f'metadata.annotations["{annotations.WAIT_FOR}"]', str(error)))
    return found
