"""The settings of a Kubernetes provider: what is taken, what is refused, what a change of them means."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.engine.kubernetes.values import has_unknown, plain

UNSUPPORTED = {
    "renderYamlToDirectory": "it would write files instead of talking to the API server",
    "deleteUnreachable": "it would forget objects that may still exist",
    "skipUpdateUnreachable": "it would report success without an update",
    "helmReleaseSettings": "Helm releases need the official plugin",
    "strictMode": "it needs the official plugin",
}
"""Settings that the stand-in refuses, rather than do less than the official plugin without a word."""

IDENTITY = ("kubeconfig", "context", "cluster", "clusterIdentifier")


@dataclass(frozen=True)
class Settings:
    """What `kubernetes.Provider(…)` was given."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    upsert_existing_objects: bool = False
    enable_patch_force: bool = False
    mutable_kinds: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Settings":
        """Read the provider's inputs; the engine passes booleans also as text."""
        values = {key: value for key, value in plain(given).items() if not has_unknown(value)}
        return cls(
            kubeconfig=values.get("kubeconfig", ""),
            context=values.get("context", ""),
            cluster=values.get("cluster", ""),
            namespace=values.get("namespace", ""),
            upsert_existing_objects=_flag(values, "upsertExistingObjects"),
            enable_patch_force=_flag(values, "enablePatchForce"),
            mutable_kinds={
                kind
                for kind, name in (("ConfigMap", "enableConfigMapMutable"), ("Secret", "enableSecretMutable"))
                if _flag(values, name)
            },
        )


def refusals(given: dict[str, Any]) -> list[tuple[str, str]]:
    """The (setting, reason) pairs that can't be used here."""
    values = plain(given)
    found = [(name, f"not supported by the sandbox: {why}") for name, why in UNSUPPORTED.items() if values.get(name)]
    if "enableServerSideApply" in values and not _flag(values, "enableServerSideApply"):
        found.append(("enableServerSideApply", "the sandbox always uses server-side apply; leave it out"))
    return found


def _flag(values: dict[str, Any], name: str) -> bool:
    return str(values.get(name, "")).lower() == "true"
