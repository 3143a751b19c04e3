"""Whether this `up` replaces the gateway's proxies, and what happens to their streams."""

from collections.abc import Iterator, Mapping
from typing import Any

from components import gateways
from preflight.facts import Facts
from preflight.finding import Finding, note

CHECK = "gateway's proxies"


def check(facts: Facts) -> Iterator[Finding]:
    """A note if the Gateway's parameters change in more than the Service."""
    for manifest in gateways.objects(facts.plan.gateway):
        former = facts.state.inputs.get(f"{manifest.kind}/{manifest.namespace}/{manifest.name}")
        if manifest.resource != "parameters" or former is None:
            continue
        if _without_service(manifest.body) != _without_service({key: former.get(key) for key in manifest.body}):
            yield note(
                CHECK,
                "serving.gateway",
                f"{manifest.kind} {manifest.name} changes, of which the controller makes the proxies",
                f"the controller replaces the proxies; {_streams(former)}",
                "choose a quiet hour, or leave serving.gateway as it is",
            )


def _streams(former: Mapping[str, Any]) -> str:
    """What the streams of a proxy get that still has the former settings."""
    overlay = str((former.get("data") or {}).get("deployment", ""))
    if overlay and "EXIT_ON_ZERO_ACTIVE_CONNECTIONS" not in overlay:
        return "those that end were made without a drain time, and istio cuts their streams after 5 s"
    return "streams have the termination grace that was set before this change"


def _without_service(body: Any) -> Any:
    if not isinstance(body, Mapping):
        return body
    return {key: _without_service(value) for key, value in body.items() if key != "service"}
