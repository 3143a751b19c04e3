"""Pods of the gateway's proxies: what replaces them, and that no selector of the stack takes them in."""

from typing import Any

import pytest

from components.config.vocabulary import ReleaseName
from components.gateways import available
from tests.program.wire import AMD, made

GATEWAY = "infra-pd-inference-gateway"
ISTIOS = ("istio", "data-science-gateway")
EVERY = [(each.word.value, release.value) for release in ReleaseName for each in available(release)]


def _objects(provider: str, release: str = "0.6", **serving: Any) -> dict[str, Any]:
    gateway = {"provider": provider, **serving.pop("gateway", {})}
    return made({**AMD, "release": release, **serving, "gateway": gateway}).objects


@pytest.mark.parametrize("awaited", [True, False])
@pytest.mark.parametrize("provider", ISTIOS)
def test_what_an_istio_proxy_is_made_of_does_not_depend_on_the_gateways_metadata(
    provider: str, *, awaited: bool
) -> None:
    objects = _objects(provider, gateway={"await": awaited})
    base = _objects(provider)
    assert objects[f"Gateway/{GATEWAY}"]["spec"] == base[f"Gateway/{GATEWAY}"]["spec"]
    assert objects[f"ConfigMap/{GATEWAY}"] == base[f"ConfigMap/{GATEWAY}"]


ISTIO_LABELS = {
    "app.kubernetes.io/part-of": "llm-d-pd",
    "gateway.networking.k8s.io/gateway-name": GATEWAY,
    "gateway.networking.k8s.io/gateway-class-name": "istio",
    "service.istio.io/canonical-name": f"{GATEWAY}-istio",
    "service.istio.io/canonical-revision": "latest",
    "sidecar.istio.io/inject": "false",
    "istio.io/dataplane-mode": "none",
}
COPIED = {
    "llm-d.ai/instance": "pd",
    "app.kubernetes.io/gateway": GATEWAY,
    "app.kubernetes.io/component": "inference-gateway",
    "istio.io/enable-inference-extproc": "true",
}
PODS = {
    "of istio": ISTIO_LABELS,
    "of istio, before the Gateway had infrastructure labels": {**ISTIO_LABELS, **COPIED},
    "of kgateway or agentgateway": {
        "app.kubernetes.io/name": GATEWAY,
        "app.kubernetes.io/instance": GATEWAY,
        "gateway.networking.k8s.io/gateway-name": GATEWAY,
        "gateway": "custom",
    },
    "of standalone": {
        "app.kubernetes.io/part-of": "llm-d-pd",
        "llm-d.ai/instance": "pd",
        "llm-d.ai/gateway": GATEWAY,
    },
}
"""Labels of a gateway's pods, by hand; istio 1.29.1: manifests/charts/istio-control/istio-discovery/files/
kube-gateway.yaml."""


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
