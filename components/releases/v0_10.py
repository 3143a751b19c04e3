"""llm-d 0.10: picker and sidecar v0.11.0 of llm-d-router, vLLM 0.30.0.

The tag v0.11.0 could not be read. What is known of it: llm-d-router at ebab6879 (2026-08-22, after v0.10.0), and the
changes merged before v0.11.0 (2026-09-19) that `router_dialect` names. What is not known is as in release 0.9.
"""

from dataclasses import replace

from components.config.vocabulary import ReleaseName
from components.releases.router_dialect import ROUTER_0_11
from components.releases.v0_9 import V0_9

V0_10 = replace(
    V0_9,
    name=ReleaseName.V0_10,
    vllm="0.30.0",
    picker_image="ghcr.io/llm-d/llm-d-router-endpoint-picker:v0.11.0",
    sidecar_image="ghcr.io/llm-d/llm-d-router-disagg-sidecar:v0.11.0",
    picker_dialect=ROUTER_0_11,
)
