"""HTTPS by the standalone Envoy, its Service and Ingress: objects, outputs and refusals."""

from typing import Any

import yaml

from tests.program.policies import violations
from tests.program.wire import AMD, ran

NAME = "infra-pd-inference-gateway"
TLS: dict[str, Any] = {"certificateRefs": [{"name": "certificate"}, {"name": "other.example.com"}]}
STANDALONE: dict[str, Any] = {"provider": "standalone"}


def objects(**gateway: Any) -> dict[str, Any]:
    return ran({**AMD, "gateway": {**STANDALONE, **gateway}}).objects


def service(**gateway: Any) -> dict[str, Any]:
    spec = objects(**gateway)[f"Service/{NAME}"]["spec"]
    assert isinstance(spec, dict)
    return spec


def envoy(made: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its pod, and its listeners by name."""
    config = yaml.safe_load(made[f"ConfigMap/{NAME}"]["data"]["envoy.yaml"])
    listeners = {each["name"]: each for each in config["static_resources"]["listeners"]}
    return made[f"Deployment/{NAME}"]["spec"]["template"]["spec"], listeners


HTTP = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
HTTPS = {"name": "https", "port": 443, "targetPort": "https", "protocol": "TCP"}


def test_the_service_leads_to_both_listeners() -> None:
    assert service(tls=TLS)["ports"] == [HTTP, HTTPS]
    assert service(http=False, tls={**TLS, "port": 8443})["ports"] == [{**HTTPS, "port": 8443}]


def test_envoy_serves_the_same_over_https() -> None:
    pod, listeners = envoy(objects(tls=TLS))
    assert list(listeners) == ["http", "https", "status"]
    plain, secure = (listeners[each]["filter_chains"][0] for each in ("http", "https"))
    assert secure["filters"] == plain["filters"]
    assert "transport_socket" not in plain
    assert listeners["https"]["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": 8443}
    [container] = pod["containers"]
    assert {each["name"]: each["containerPort"] for each in container["ports"]} == {
        "http": 8080,
        "https": 8443,
        "status": 15021,
    }
    alone, listeners = envoy(objects(http=False, tls=TLS))
    assert list(listeners) == ["https", "status"]
    assert [each["name"] for each in alone["containers"][0]["ports"]] == ["https", "status"]


def test_certificates_are_files_that_envoy_watches() -> None:
    made = objects(tls=TLS)
    pod, listeners = envoy(made)
    volumes = {each["name"]: each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each}
    assert volumes == {"certificate-0": "certificate", "certificate-1": "other.example.com"}
    mounts = {each["mountPath"]: (each["name"], each["readOnly"]) for each in pod["containers"][0]["volumeMounts"]}
    assert mounts == {
        "/etc/envoy": ("config", True),
        "/etc/certificates/certificate-0": ("certificate-0", True),
        "/etc/certificates/certificate-1": ("certificate-1", True),
    }
    context = listeners["https"]["filter_chains"][0]["transport_socket"]["typed_config"]["common_tls_context"]
    assert context["alpn_protocols"] == ["h2", "http/1.1"]
    paths = [each["sds_config"]["path_config_source"]["path"] for each in context["tls_certificate_sds_secret_configs"]]
    assert paths == ["/etc/envoy/certificate-0.yaml", "/etc/envoy/certificate-1.yaml"]
    for name in ("certificate-0", "certificate-1"):
        [resource] = yaml.safe_load(made[f"ConfigMap/{NAME}"]["data"][f"{name}.yaml"])["resources"]
        folder = f"/etc/certificates/{name}"
        assert resource["tls_certificate"] == {
            "certificate_chain": {"filename": f"{folder}/tls.crt"},
            "private_key": {"filename": f"{folder}/tls.key"},
            "watched_directory": {"path": folder},
        }


def test_the_outputs_speak_https() -> None:
    recorder = ran({**AMD, "gateway": {**STANDALONE, "tls": TLS}})
    outputs = recorder.stack_outputs
    assert violations(recorder) == []
    assert outputs["gatewayUrl"].endswith(f"port-forward service/{NAME} 8000:443")
    assert outputs["request"].startswith("curl -sS https://localhost:8000/v1/completions --insecure ")


def test_more_of_the_service() -> None:
    given = {
        "annotations": {"cloud.example.com/scheme": "internal"},
        "loadBalancerClass": "example.com/nlb",
        "ports": [{"port": 443, "nodePort": 30443}],
    }
    made = objects(tls=TLS, serviceType="LoadBalancer", service=given)[f"Service/{NAME}"]
    assert made["metadata"]["annotations"] == {"cloud.example.com/scheme": "internal"}
    assert made["spec"]["type"] == "LoadBalancer"
    assert made["spec"]["loadBalancerClass"] == "example.com/nlb"
    assert made["spec"]["ports"] == [HTTP, {**HTTPS, "nodePort": 30443}]
    quick = objects(service={"annotations": {"a": "b"}})[f"Service/{NAME}"]["metadata"]["annotations"]
    assert quick == {"a": "b", "pulumi.com/skipAwait": "true"}
