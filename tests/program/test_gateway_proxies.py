"""Settings of a gateway's proxies: termination, idle connections, metadata, image, security context."""

from typing import Any

import pytest
import yaml

from components.config.vocabulary import ReleaseName
from components.gateways import available
from tests.program.wire import AMD, made
from tests.stack_file import problems

GATEWAY = "infra-pd-inference-gateway"
ISTIOS = ("istio", "data-science-gateway")
EVERY = [(each.word.value, release.value) for release in ReleaseName for each in available(release)]


def _objects(provider: str, release: str = "0.6", **serving: Any) -> dict[str, Any]:
    gateway = {"provider": provider, **serving.pop("gateway", {})}
    return made({**AMD, "release": release, **serving, "gateway": gateway}).objects


def _istio(provider: str = "istio", **serving: Any) -> tuple[int, dict[str, str]]:
    """Grace of the pod and environment of the proxy, in the overlay on istiod's Deployment."""
    overlay = yaml.safe_load(_objects(provider, **serving)[f"ConfigMap/{GATEWAY}"]["data"]["deployment"])
    pod = overlay["spec"]["template"]["spec"]
    [proxy] = pod["containers"]
    assert proxy["name"] == "istio-proxy"
    return pod["terminationGracePeriodSeconds"], {each["name"]: each["value"] for each in proxy["env"]}


def _parameters(provider: str, release: str, **serving: Any) -> dict[str, Any]:
    objects = _objects(provider, release, **serving)
    [spec] = [each["spec"] for key, each in objects.items() if key.endswith(f"Parameters/{GATEWAY}")]
    assert isinstance(spec, dict)
    return spec


@pytest.mark.parametrize("provider", ISTIOS)
@pytest.mark.parametrize(
    ("serving", "grace", "idle"),
    [
        ({}, 600, "5s"),
        ({"model": {"name": "m", "maxModelLen": 4000}}, 200, "5s"),
        ({"decode": {"rollout": {"terminationGrace": 90}}}, 90, "5s"),
        ({"gateway": {"terminationGrace": 3600, "idleTimeout": 75}}, 3600, "75s"),
        ({"gateway": {"ingress": {"host": "a.example.com"}}}, 600, "660s"),
        ({"gateway": {"ingress": {"host": "a.example.com"}, "idleTimeout": 65}}, 600, "65s"),
    ],
)
def test_an_istio_proxy_ends_with_its_last_connection(
    provider: str, serving: dict[str, Any], grace: int, idle: str
) -> None:
    assert _istio(provider, **serving) == (
        grace,
        {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true", "ISTIO_META_IDLE_TIMEOUT": idle},
    )


def test_agentgateway_has_its_own_words_for_the_grace() -> None:
    assert _parameters("agentgateway", "0.6")["shutdown"] == {"min": 10, "max": 600}
    assert _parameters("agentgateway", "0.6", gateway={"terminationGrace": 7})["shutdown"] == {"min": 7, "max": 7}


def test_kgateway_takes_its_grace_in_full_and_so_only_a_grace_that_is_set() -> None:
    def pod(**gateway: Any) -> Any:
        return _parameters("kgateway", "0.4", gateway=gateway)["kube"]["podTemplate"]

    assert pod() == {"extraLabels": {"gateway": "custom"}}
    assert pod(terminationGrace=120) == {
        "extraLabels": {"gateway": "custom"},
        "gracefulShutdown": {"enabled": True, "sleepTimeSeconds": 120},
        "terminationGracePeriodSeconds": 130,
    }


def test_the_stacks_own_envoy_has_both() -> None:
    objects = _objects("standalone", gateway={"terminationGrace": 77, "idleTimeout": 33})
    assert objects[f"Deployment/{GATEWAY}"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 77
    config = yaml.safe_load(objects[f"ConfigMap/{GATEWAY}"]["data"]["envoy.yaml"])
    [manager] = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    assert manager["typed_config"]["common_http_protocol_options"] == {"idle_timeout": "33s"}


@pytest.mark.parametrize("setting", ["terminationGrace", "idleTimeout"])
def test_an_hour_is_the_most(setting: str) -> None:
    assert f"serving.gateway.{setting}" in problems(gateway={setting: 3601})
    assert f"serving.gateway.{setting}" not in problems(gateway={setting: 3600})


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


RUNTIME = {"type": "RuntimeDefault"}
OPENSHIFT: dict[str, Any] = {"accelerator": "nvidia", "infrastructure": "openshift-roce", "rdma": {}}
RESTRICTED: dict[str, Any] = {"accelerator": "nvidia", "security": {"podSecurity": "restricted"}}


def test_on_openshift_no_proxy_names_a_user() -> None:
    assert _parameters("kgateway", "0.4", **OPENSHIFT)["kube"]["floatingUserId"] is True
    pod = _parameters("agentgateway", "0.6", **OPENSHIFT)["deployment"]["spec"]["template"]["spec"]
    [proxy] = pod["containers"]
    assert proxy["name"] == "agentgateway"
    assert proxy["securityContext"] == {
        "$patch": "replace",
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": RUNTIME,
    }
    [envoy] = _envoy(**OPENSHIFT)["containers"]
    assert "runAsUser" not in envoy["securityContext"]
    assert envoy["securityContext"]["runAsNonRoot"] is True


def _envoy(**serving: Any) -> dict[str, Any]:
    deployment = _objects("standalone", **serving)[f"Deployment/{GATEWAY}"]
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def test_a_proxy_with_a_fixed_user_is_warned_about() -> None:
    def said(**serving: Any) -> list[str]:
        stack = {**AMD, "release": "0.4", **serving, "gateway": {"provider": "agentgateway"}}
        return [each for each in made(stack).notes if "user 10101" in each or "their security context" in each]

    [warning] = said(**OPENSHIFT)
    assert "oc adm policy add-scc-to-user nonroot-v2 -z infra-pd-inference-gateway -n llm-d-pd" in warning
    [warning] = said(**RESTRICTED)
    assert "serving.security.podSecurity: restricted may keep the gateway's proxies out" in warning
    assert said() == []


def test_proxies_pass_the_level_restricted() -> None:
    overlay = yaml.safe_load(_objects("istio", **RESTRICTED)[f"ConfigMap/{GATEWAY}"]["data"]["deployment"])
    assert overlay["spec"]["template"]["spec"]["securityContext"] == {"seccompProfile": RUNTIME}
    pod = _parameters("agentgateway", "0.6", **RESTRICTED)["deployment"]["spec"]["template"]["spec"]
    assert pod == {"securityContext": {"seccompProfile": RUNTIME}}
    kube = _parameters("kgateway", "0.4", **RESTRICTED)["kube"]
    for container in ("envoyContainer", "sdsContainer"):
        security = kube[container]["securityContext"]
        assert security["capabilities"] == {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
        assert security["runAsNonRoot"] is True


def test_labels_need_a_gateway_of_the_stack() -> None:
    assert list(problems(gateway={"provider": "standalone", "labels": {"a": "b"}})) == ["serving.gateway.labels"]
    existing = {"existing": {"name": "shared", "namespace": "gateways"}, "labels": {"a": "b"}}
    assert list(problems(gateway=existing)) == ["serving.gateway.labels"]
