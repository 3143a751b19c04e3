"""What is made for a Gateway, and what istio's overlays change in it."""

from typing import Any

import pytest
import yaml

from sandbox.gateway.deployment import objects, pool_objects, service_type
from sandbox.gateway.gateways import resolve
from sandbox.gateway.overlay import Overlay
from sandbox.gateway.store import World
from tests.sandbox.gateway.objects import changed, world

AGENT = ["proxy", "router", "--domain", "$(POD_NAMESPACE).svc.cluster.local", "--proxyLogLevel", "error"]
AGENT += ["--proxyComponentLogLevel", "misc:error", "--log_output_level", "default:error"]
RESOURCES = {"requests": {"cpu": "4", "memory": "4Gi"}, "limits": {"cpu": "16", "memory": "16Gi"}}


def deployment_overlay(**container: object) -> str:
    return yaml.safe_dump({"spec": {"template": {"spec": {"containers": [{"name": "istio-proxy", **container}]}}}})


def parametrized(**data: str) -> World:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "parameters"}, "data": data}
    infrastructure = {"parametersRef": {"group": "", "kind": "ConfigMap", "name": "parameters"}}
    content = world(yaml.safe_dump(config_map))
    return changed(content, "Gateway", "door", "spec.infrastructure", infrastructure)


def made(content: World, kind: str) -> dict[str, Any]:
    gateway = resolve(content).gateways[("models", "door")]
    overlay = Overlay.of(content, gateway.spec, gateway.gateway_class)
    (one,) = [one for one in objects(gateway, overlay).values() if one["kind"] == kind]
    return one


def container(content: World) -> dict[str, Any]:
    (one,) = made(content, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(one)


def wrong(content: World) -> tuple[bool, str, str]:
    accepted = resolve(content).gateways[("models", "door")].accepted
    return accepted.good, accepted.reason, accepted.message


def test_names_labels_and_owner_are_istios() -> None:
    for kind in ("ServiceAccount", "Deployment", "Service"):
        metadata = made(world(), kind)["metadata"]
        assert (metadata["namespace"], metadata["name"]) == ("models", "door-istio")
        assert metadata["labels"]["gateway.networking.k8s.io/gateway-name"] == "door"
        assert [(one["kind"], one["name"], one["uid"]) for one in metadata["ownerReferences"]] == [
            ("Gateway", "door", "Gateway-door")
        ]


def test_the_service_has_the_listeners_ports_and_the_status_port() -> None:
    service = made(world(), "Service")
    assert {one["name"]: one["port"] for one in service["spec"]["ports"]} == {"status-port": 15021, "default": 80}
    template = made(world(), "Deployment")["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()


def test_the_overlay_of_our_program_is_obeyed() -> None:
    content = parametrized(
        deployment=deployment_overlay(args=AGENT, resources=RESOURCES),
        service=yaml.safe_dump({"spec": {"type": "ClusterIP"}}),
    )
    assert resolve(content).gateways[("models", "door")].accepted.good
    proxy = container(content)
    assert proxy["resources"] == RESOURCES
    assert proxy["args"][-4:] == ["--log-level", "error", "--component-log-level", "misc:error"]
    assert proxy["image"] == "sandbox/envoy"
    assert made(content, "Service")["spec"]["type"] == "ClusterIP"
    assert len(made(content, "Service")["spec"]["ports"]) == 2


@pytest.mark.parametrize(
    ("annotations", "overlay", "expected"),
    [
        ({}, {}, "LoadBalancer"),
        ({"networking.istio.io/service-type": "ClusterIP"}, {}, "ClusterIP"),
        ({"networking.istio.io/service-type": "ClusterIP"}, {"spec": {"type": "NodePort"}}, "NodePort"),
    ],
)
def test_the_overlay_wins_over_the_annotation_over_istios_default(
    annotations: object, overlay: dict[str, Any], expected: str
) -> None:
    content = changed(world(), "Gateway", "door", "metadata.annotations", annotations)
    assert service_type(resolve(content).gateways[("models", "door")], Overlay(service=overlay)) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"deployment": "a: b: c"}, "deployment isn't YAML"),
        ({"deployment": "- a"}, "deployment isn't a mapping"),
        ({"services": "{}"}, "the key 'services' is neither deployment nor service"),
        ({"deployment": deployment_overlay(args=["proxy", "sidecar"])}, "must begin with: proxy router"),
        ({"deployment": deployment_overlay(args=["proxy", "router", "--logLevel", "error"])}, "argument --logLevel"),
        ({"deployment": deployment_overlay(args=["proxy", "router", "--domain"])}, "argument --domain"),
    ],
)
def test_parameters_that_istio_would_refuse_or_ignore_are_refused(data: dict[str, str], words: str) -> None:
    good, reason, message = wrong(parametrized(**data))
    assert (good, reason) == (False, "InvalidParameters")
    assert message.startswith("ConfigMap models/parameters: ")
    assert words in message


def test_parameters_that_are_not_there_are_named() -> None:
    reference = {"group": "", "kind": "ConfigMap", "name": "lost"}
    content = changed(world(), "Gateway", "door", "spec.infrastructure", {"parametersRef": reference})
    assert wrong(content)[2] == "there is no ConfigMap models/lost, spec.infrastructure.parametersRef"
    reference = {"group": "gateway.kgateway.dev", "kind": "GatewayParameters", "name": "parameters"}
    content = changed(world(), "Gateway", "door", "spec.infrastructure", {"parametersRef": reference})
    assert wrong(content)[2] == "class istio takes no parameters from a GatewayParameters here"


def test_an_overlay_adds_changes_and_removes_as_kubectl_patch_does() -> None:
    sidecar = {"name": "logger", "image": "busybox"}
    overlay = {
        "metadata": {"labels": {"team": "inference"}},
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [sidecar, {"name": "istio-proxy", "lifecycle": None}]}},
        },
    }
    content = parametrized(deployment=yaml.safe_dump(overlay))
    deployment = made(content, "Deployment")
    proxy, added = deployment["spec"]["template"]["spec"]["containers"]
    assert (proxy["name"], proxy["image"], "lifecycle" in proxy) == ("istio-proxy", "sandbox/envoy", False)
    assert added == sidecar
    assert deployment["spec"]["replicas"] == 2
    assert deployment["metadata"]["labels"]["team"] == "inference"
    assert deployment["metadata"]["labels"]["gateway.networking.k8s.io/gateway-name"] == "door"


def test_a_pools_pods_are_followed_by_istios_headless_service() -> None:
    pool = {**world()["InferencePool"][("models", "pool")]}
    pool["metadata"] = {**pool["metadata"], "name": "gaie-pd"}
    ((path, service),) = pool_objects(pool).items()
    assert path == "/api/v1/namespaces/models/services/gaie-pd-ip-bb618139"
    assert service["spec"]["selector"] == {"app": "worker"}
    assert service["spec"]["clusterIP"] == "None"
    assert [(one["port"], one["targetPort"]) for one in service["spec"]["ports"]] == [(54321, 8000)]
