"""Parameters of kgateway's and agentgateway's Gateways, as our program writes them: honoured, or refused in words."""

from typing import Any

import pytest
import yaml

from sandbox.gateway.deployment import objects
from sandbox.gateway.gateways import resolve
from sandbox.gateway.model import Verdict
from sandbox.gateway.overlay import Overlay
from sandbox.gateway.store import World
from tests.recorder import run_program
from tests.sandbox.gateway.objects import changed, world

CLASSES = {
    "GatewayParameters": ("kgateway", "kgateway.dev/kgateway", "gateway.kgateway.dev"),
    "AgentgatewayParameters": ("agentgateway", "agentgateway.dev/agentgateway", "agentgateway.dev"),
}
NAME = "infra-pd-inference-gateway"


def written(provider: str, release: str, **gateway: Any) -> dict[str, Any]:
    """The spec that the program gives the parameters."""
    serving = {"accelerator": "amd", "model": {"name": "m"}, "release": release}
    made = run_program({**serving, "gateway": {"provider": provider, **gateway}}).objects
    [spec] = [one["spec"] for key, one in made.items() if key.endswith(f"Parameters/{NAME}")]
    return dict(spec)


def configured(kind: str, spec: dict[str, Any], name: str = "door") -> World:
    gateway_class, controller, group = CLASSES[kind]
    installed = {"kind": "GatewayClass", "metadata": {"name": gateway_class, "namespace": ""}}
    installed["spec"] = {"controllerName": controller}
    parameters = {"kind": kind, "metadata": {"name": name}, "spec": spec}
    content = world(yaml.safe_dump_all([installed, parameters]))
    content = changed(content, "Gateway", "door", "spec.gatewayClassName", gateway_class)
    reference = {"parametersRef": {"group": group, "kind": kind, "name": "door"}}
    return changed(content, "Gateway", "door", "spec.infrastructure", reference)


def made(content: World, kind: str) -> dict[str, Any]:
    gateway = resolve(content).gateways[("models", "door")]
    assert gateway.accepted.good, gateway.accepted
    overlay = Overlay.of(content, gateway.spec, gateway.gateway_class)
    (one,) = [one for one in objects(gateway, overlay).values() if one["kind"] == kind]
    return one


def accepted(content: World) -> Verdict:
    return resolve(content).gateways[("models", "door")].accepted


def option(content: World, name: str) -> str:
    """Envoy's last word for an option."""
    (container,) = made(content, "Deployment")["spec"]["template"]["spec"]["containers"]
    arguments: list[str] = container["args"]
    return arguments[len(arguments) - arguments[::-1].index(name)]


CELLS = [
    ("kgateway", "0.4", "GatewayParameters"),
    ("kgateway", "0.6", "AgentgatewayParameters"),
    ("agentgateway", "0.6", "AgentgatewayParameters"),
]


@pytest.mark.parametrize(("provider", "release", "kind"), CELLS)
def test_what_the_program_writes_is_honoured(provider: str, release: str, kind: str) -> None:
    service = {"annotations": {"a": "b"}, "ports": [{"port": 80, "nodePort": 30080}]}
    spec = written(provider, release, serviceType="NodePort", cpu="1", memory="512Mi", service=service)
    content = configured(kind, spec)

    given = made(content, "Service")
    assert given["metadata"]["name"] == "door"
    assert given["metadata"]["annotations"] == {"a": "b"}
    assert given["metadata"]["labels"]["gateway"] == "custom"
    assert given["spec"]["type"] == "NodePort"
    (port,) = [one for one in given["spec"]["ports"] if one["port"] == 80]
    assert (port["nodePort"], port["name"]) == (30080, "default")
    (container,) = made(content, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "512Mi"}
    assert option(content, "--log-level") == "warning"


def test_log_levels_arrive_in_envoys_words() -> None:
    loud = configured("GatewayParameters", written("kgateway", "0.4", logLevel="debug"))
    assert sorted(option(loud, "--component-log-level").split(",")) == [
        "connection:debug",
        "http:debug",
        "upstream:debug",
    ]
    quiet = configured("AgentgatewayParameters", written("agentgateway", "0.6", logLevel="error"))
    assert option(quiet, "--log-level") == "error"


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        ("GatewayParameters", {"kube": {"servce": {}}}, "spec.kube.servce is not known"),
        ("GatewayParameters", {"kube": {"service": {"loadBalancerClass": "x"}}}, "spec.kube.service.loadBalancerClass"),
        ("AgentgatewayParameters", {"replicas": 2}, "spec.replicas is not known"),
    ],
)
def test_a_field_that_nobody_knows_is_refused_in_words(kind: str, spec: dict[str, Any], words: str) -> None:
    verdict = accepted(configured(kind, spec))
    assert (verdict.good, verdict.reason) == (False, "InvalidParameters")
    assert words in verdict.message


def test_parameters_that_are_not_there_or_anothers_are_refused() -> None:
    absent = accepted(configured("GatewayParameters", {}, name="window"))
    assert "there is no GatewayParameters models/door" in absent.message
    others = configured("AgentgatewayParameters", {})
    path = "spec.infrastructure.parametersRef.kind"
    assert (
        "takes no parameters from a ConfigMap"
        in accepted(changed(others, "Gateway", "door", path, "ConfigMap")).message
    )
