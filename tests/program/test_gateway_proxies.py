"""Pods of the gateway's proxies: what replaces them, and that no selector of the stack takes them in."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.vocabulary import ReleaseName
from components.gateways import available
from tests.program.wire import AMD, made

GATEWAY = "infra-pd-inference-gateway"
EVERY = [(each.word.value, release.value) for release in ReleaseName for each in available(release)]


def _objects(provider: str, release: str = "0.6", **serving: Any) -> dict[str, Any]:
    gateway = {"provider": provider, **serving.pop("gateway", {})}
    return made({**AMD, "release": release, **serving, "gateway": gateway}).objects


PODS: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("proxies.yaml").read_text())


def _selectors(provider: str, release: str) -> dict[str, dict[str, str]]:
    """Every selector of pods that the program declares, but those of the stack's own Envoy."""
    ranges = {"gatewayRanges": ["10.129.0.0/23"]} if provider == "gke" else {}
    found = {}
    for key, each in _objects(provider, release, security={"level": "locked", **ranges}).items():
        spec = each.get("spec") or {}
        selector = spec.get("podSelector") or spec.get("selector") or {}
        if key not in (f"Deployment/{GATEWAY}", f"Service/{GATEWAY}") and selector:
            found[key] = selector.get("matchLabels", selector)
    return found


@pytest.mark.parametrize(("provider", "release"), EVERY)
def test_no_selector_takes_the_gateways_pods_in(provider: str, release: str) -> None:
    selectors = _selectors(provider, release)
    kinds = {key.partition("/")[0] for key in selectors}
    assert kinds >= {"Deployment", "Service", "PodDisruptionBudget", "InferencePool", "NetworkPolicy"}
    assert kinds & {"PodMonitor", "PodMonitoring"}
    for proxy, labels in PODS.items():
        taken = [key for key, selector in selectors.items() if selector.items() <= labels.items()]
        assert taken == [], proxy
