"""The settings of a Kubernetes provider that make a difference here."""

from dataclasses import dataclass
from typing import Any

from sandbox.engine.kubernetes.values import has_unknown, plain


@dataclass(frozen=True)
class Settings:
    """What `kubernetes.Provider(…)` was given."""

    context: str = ""
    upsert_existing_objects: bool = False
    enable_patch_force: bool = False

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Settings":
        """Read the provider's inputs; the engine passes booleans also as text."""
        values = {key: value for key, value in plain(given).items() if not has_unknown(value)}
        return cls(
            context=values.get("context", ""),
            upsert_existing_objects=str(values.get("upsertExistingObjects")).lower() == "true",
            enable_patch_force=str(values.get("enablePatchForce")).lower() == "true",
        )
