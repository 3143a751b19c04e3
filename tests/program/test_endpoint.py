"""Listeners, Service and Ingress of the stack's Gateway: objects, outputs and refusals."""

import shlex
from typing import Any

import pytest
import yaml

from tests.program.test_outputs import WithAddress
from tests.program.wire import AMD, made, ran
from tests.recorder import run_program

NAME = "infra-pd-inference-gateway"
TLS: dict[str, Any] = {"certificateRefs": [{"name": "cert"}, {"name": "shared", "namespace": "certificates"}]}
OPEN = {"namespaces": {"from": "All"}}
PLAIN = {"name": "default", "port": 80, "protocol": "HTTP", "allowedRoutes": OPEN}
SERVICE: dict[str, Any] = {
    "serviceType": "LoadBalancer",
    "service": {"annotations": {"cloud.example.com/scheme": "internal"}, "ports": [{"port": 80, "nodePort": 30080}]},
}


def objects(provider: str = "istio", release: str = "0.6", **gateway: Any) -> dict[str, Any]:
    return made({**AMD, "release": release, "gateway": {"provider": provider, **gateway}}).objects


def listeners(**gateway: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = objects(**gateway)[f"Gateway/{NAME}"]["spec"]["listeners"]
    return found


def request(address: str = "", **gateway: Any) -> list[str]:
    serving = {**AMD, "gateway": gateway}
    recorder = run_program(serving, recorder=WithAddress(address)) if address else ran(serving)
    return shlex.split(recorder.stack_outputs["request"])[:-2]


@pytest.mark.parametrize("provider", ["istio", "kgateway", "agentgateway", "gke", "data-science-gateway"])
def test_https_is_a_listener_beside_the_plain_one(provider: str) -> None:
    plain, secure = listeners(provider=provider, tls=TLS)
    assert plain == PLAIN
    assert secure == {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "allowedRoutes": OPEN,
        "tls": {
            "mode": "Terminate",
            "certificateRefs": [
                {"group": "", "kind": "Secret", "name": "cert"},
                {"group": "", "kind": "Secret", "name": "shared", "namespace": "certificates"},
            ],
        },
    }


def test_https_alone_on_a_port_of_its_own() -> None:
    (secure,) = listeners(http=False, tls={**TLS, "port": 8443})
    assert (secure["name"], secure["port"]) == ("https", 8443)


def test_the_request_goes_to_the_listener_that_speaks_https() -> None:
    forward = ran({**AMD, "gateway": {"tls": TLS}}).stack_outputs["gatewayUrl"]
    assert forward.endswith(f"port-forward service/{NAME}-istio 8000:443")
    target = "https://localhost:8000/v1/completions"
    assert request(tls=TLS) == ["curl", "-sS", target, "--insecure", "-H", "Content-Type: application/json"]
    public = {"serviceType": "LoadBalancer", "tls": TLS}
    assert request("192.0.2.7", **public)[2:4] == ["https://192.0.2.7/v1/completions", "--insecure"]
    named = request("192.0.2.7", **public, route={"hostnames": ["a.example.com"]})
    assert named[2:5] == ["https://a.example.com/v1/completions", "--connect-to", "::192.0.2.7:"]
    assert "--insecure" not in named
    other = request("192.0.2.7", **{**public, "tls": {**TLS, "port": 8443}})
    assert other[2] == "https://192.0.2.7:8443/v1/completions"


@pytest.mark.parametrize("provider", ["istio", "data-science-gateway"])
def test_more_of_the_service_is_in_istios_overlay(provider: str) -> None:
    more = {**SERVICE, "service": {**SERVICE["service"], "loadBalancerClass": "example.com/nlb"}}
    service = yaml.safe_load(objects(provider, **more)[f"ConfigMap/{NAME}"]["data"]["service"])
    assert service["metadata"]["annotations"]["cloud.example.com/scheme"] == "internal"
    assert service["spec"] == {
        "type": "LoadBalancer",
        "loadBalancerClass": "example.com/nlb",
        "ports": [{"port": 80, "nodePort": 30080}],
    }


def test_the_users_annotations_go_over_openshifts() -> None:
    certificate = "service.beta.openshift.io/serving-cert-secret-name"
    mine = objects("data-science-gateway", service={"annotations": {certificate: "mine", "a": "b"}})
    service = yaml.safe_load(mine[f"ConfigMap/{NAME}"]["data"]["service"])
    assert service["metadata"]["annotations"] == {certificate: "mine", "a": "b"}


def test_more_of_the_service_is_in_agentgateways_parameters() -> None:
    more = {**SERVICE, "service": {**SERVICE["service"], "loadBalancerClass": "example.com/nlb"}}
    service = objects("agentgateway", **more)[f"AgentgatewayParameters/{NAME}"]["spec"]["service"]
    assert service["metadata"] == {
        "labels": {"gateway": "custom"},
        "annotations": {"cloud.example.com/scheme": "internal"},
    }
    assert service["spec"]["loadBalancerClass"] == "example.com/nlb"
    assert service["spec"]["ports"] == [{"port": 80, "nodePort": 30080}]


def test_more_of_the_service_is_in_kgateways_own_fields() -> None:
    kube = objects("kgateway", "0.4", **SERVICE)[f"GatewayParameters/{NAME}"]["spec"]["kube"]
    assert kube["service"] == {
        "type": "LoadBalancer",
        "extraLabels": {"gateway": "custom"},
        "extraAnnotations": {"cloud.example.com/scheme": "internal"},
        "ports": [{"port": 80, "nodePort": 30080}],
    }


@pytest.mark.parametrize(
    ("provider", "service"),
    [
        ("istio", f"{NAME}-istio"),
        ("agentgateway", NAME),
        ("data-science-gateway", f"{NAME}-data-science-gateway-class"),
    ],
)
def test_an_ingress_leads_to_the_service_that_the_provider_makes(provider: str, service: str) -> None:
    given = {"host": "a.example.com", "className": "nginx", "tlsSecret": "cert", "annotations": {"example.com/a": "1"}}
    ingress = objects(provider, ingress=given)[f"Ingress/{NAME}"]
    assert ingress["spec"] == {
        "ingressClassName": "nginx",
        "rules": [
            {
                "host": "a.example.com",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": {"service": {"name": service, "port": {"number": 80}}},
                        }
                    ]
                },
            }
        ],
        "tls": [{"hosts": ["a.example.com"], "secretName": "cert"}],
    }
    assert ingress["metadata"]["annotations"] == {"example.com/a": "1", "pulumi.com/skipAwait": "true"}


def test_an_ingress_is_where_clients_go() -> None:
    found = ran({**AMD, "gateway": {"ingress": {"host": "a.example.com"}}}).stack_outputs
    assert found["gatewayUrl"] == "http://a.example.com"
    assert "tls" not in objects(ingress={"host": "a.example.com"})[f"Ingress/{NAME}"]["spec"]
    secure = request(ingress={"host": "a.example.com", "tlsSecret": "cert"}, route={"path": "/a"})
    assert secure == ["curl", "-sS", "https://a.example.com/a/v1/completions", "-H", "Content-Type: application/json"]
