"""Which generation requests are led to: what the main HTTPRoute says, or the Service of the stack's own Envoy."""

from collections.abc import Mapping
from typing import Any

from components.names import word_of


def generation(spec: Mapping[str, Any], postfix: str) -> str | None:
    """The word of the generation that the spec of an HTTPRoute or Service leads to; None: of this stack, none."""
    if rules := spec.get("rules"):
        backends = rules[0].get("backendRefs") or [{}]
        return word_of(str(backends[0].get("name")), postfix)
    return word_of(str((spec.get("selector") or {}).get("llm-d.ai/gateway")), postfix)
