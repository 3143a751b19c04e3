"""HTTPS by the standalone Envoy in the sandbox: requests, two certificates, a renewal, and no HTTP listener."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing

import pytest
from kubernetes.client import V1Namespace, V1ObjectMeta, V1Secret

from sandbox.client import route
from sandbox.network import gateways
from tests.sandbox.certificate import made
from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import Traffic, traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

SPACE = "behind-https"
GATEWAY = "infra-pd-inference-gateway"
ENVOYS = "llm-d.ai/gateway=infra-pd-inference-gateway"
FIRST, SECOND = made("first.example.com"), made("second.example.com")
ENOUGH = 300
"""Seconds for steps on a busy machine."""


def _pair(name: str, certificate: tuple[str, str]) -> V1Secret:
    chain, key = certificate
    metadata = V1ObjectMeta(name=name, namespace=SPACE)
    return V1Secret(metadata=metadata, type="kubernetes.io/tls", string_data={"tls.crt": chain, "tls.key": key})


@pytest.fixture(scope="module")
def stack(cluster: Running) -> Iterator[Deployment]:
    """A stack in a namespace of another owner, who made the Secrets before."""
    found = deployment(cluster, "amd")
    found.api.create_namespace(V1Namespace(metadata=V1ObjectMeta(name=SPACE)))
    for name, certificate in (("first", FIRST), ("second", SECOND)):
        found.api.create_namespaced_secret(SPACE, _pair(name, certificate))
    with destroyed_afterwards(found):
        certificates = {f"gateway__tls__certificateRefs[{n}]__name": name for n, name in enumerate(("first", "second"))}
        found.up(namespace=SPACE, createNamespace=False, gateway__provider="standalone", **certificates)
        yield found
    found.api.delete_namespace(SPACE)


@pytest.fixture(scope="module")
def serving(stack: Deployment) -> Iterator[Traffic]:
    with traffic(stack, SPACE) as requests:
        assert soon(requests.disaggregated, ENOUGH)
        yield requests


def _port(serving: Traffic) -> int:
    home, key = serving.stack.cluster.home.root, gateways.key_of((SPACE, GATEWAY), 443)
    assert soon(lambda: key in gateways.assigned_ports(home), ENOUGH)
    return gateways.assigned_ports(home)[key]


def _connected(serving: Traffic, host: str, chain: str) -> ssl.SSLSocket:
    """A connection that trusts only this certificate and name. Raises `OSError` for another certificate."""
    trusting = ssl.create_default_context(cadata=chain)
    plain = socket.create_connection(("127.0.0.1", _port(serving)), timeout=120)
    return trusting.wrap_socket(plain, server_hostname=host)


def _shown(serving: Traffic, host: str, chain: str) -> bool:
    try:
        _connected(serving, host, chain).close()
    except OSError:
        return False
    return True


def _complete(serving: Traffic, host: str, chain: str, prompt: str) -> int:
    body = json.dumps({"model": serving.model, "prompt": prompt, "max_tokens": 4})
    connection = http.client.HTTPConnection(host)
    connection.sock = _connected(serving, host, chain)
    with closing(connection):
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status


def test_a_request_over_https_has_one_prefill_and_one_decode_leg(serving: Traffic) -> None:
    assert soon(lambda: _shown(serving, "first.example.com", FIRST[0]), ENOUGH)
    statuses: list[int] = []
    legs = serving.counted(
        lambda: statuses.append(_complete(serving, "first.example.com", FIRST[0], words(30, "https")))
    )
    assert statuses == [200]
    assert legs.totals == (1, 1)


def test_the_http_listener_serves_too(serving: Traffic) -> None:
    assert serving.complete("hello", serving.model).status == 200


def test_the_certificate_matches_the_requested_name(serving: Traffic) -> None:
    assert _complete(serving, "second.example.com", SECOND[0], "hello") == 200
    assert not _shown(serving, "second.example.com", FIRST[0])


def test_a_renewed_certificate_is_served_by_the_same_envoy(serving: Traffic) -> None:
    def envoys() -> set[tuple[str, int]]:
        pods = serving.stack.api.list_namespaced_pod(SPACE, label_selector=ENVOYS).items
        return {(pod.metadata.uid, pod.status.container_statuses[0].restart_count) for pod in pods}

    before, renewed = envoys(), made("first.example.com")
    serving.stack.api.replace_namespaced_secret("first", SPACE, _pair("first", renewed))
    assert soon(lambda: _shown(serving, "first.example.com", renewed[0]), ENOUGH)
    assert _complete(serving, "first.example.com", renewed[0], "hello again") == 200
    assert not _shown(serving, "first.example.com", FIRST[0])
    assert _complete(serving, "second.example.com", SECOND[0], "hello") == 200
    assert envoys() == before


def test_without_the_http_listener_all_requests_use_https(serving: Traffic) -> None:
    serving.stack.up(gateway__http=False)
    done = serving.stack.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"1 Envoy Ready behind Service {GATEWAY}:443" in " ".join(done.stdout.split())
    chat = route.find_target(serving.stack.cluster.home, serving.stack.stack, serving.api)
    assert chat.url == f"https://127.0.0.1:{serving.port}/v1"
