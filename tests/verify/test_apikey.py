"""Requests with the workers' API key: where it is read, and which way they take."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.http_server import Handler, listening
from tests.verify.fake import CORE, NAMESPACE, FakeCluster, named, outputs
from verify import apikey
from verify.finding import Finding, Outcome, Unreachable, VerifyError
from verify.outputs import Workload
from verify.proxies import Proxies
from verify.request import GatewayClient
from verify.routing import Endpoint
from verify.steps import Verification
from verify.tiers import Tier
from verify.traffic import judge_models

SECRET = f"{CORE}/secrets/keys"
REFERENCE = {"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}


def tier(*env: dict[str, Any]) -> Tier:
    containers = [{"name": "vllm", "env": list(env)}]
    return Tier("decode", Workload("d", 1, 1, False), [named("d-1", spec={"containers": containers})], 1)


def endpoint(service: str | None = None, address: str = "", port: int = 80) -> Endpoint:
    return Endpoint(Proxies(NAMESPACE, service, [], "", None), "gate", address, port)


def test_the_key_is_that_of_the_pods_secret() -> None:
    there = FakeCluster({SECRET: {"data": {"k": "czNjcmV0"}}})
    assert apikey.read(there, NAMESPACE, tier(REFERENCE)) == "s3cret"
    assert apikey.read(there, NAMESPACE, tier({"name": "OTHER", "value": "x"})) is None
    with pytest.raises(Unreachable, match="has no key k"):
        apikey.read(FakeCluster({SECRET: {"data": {"other": "eA=="}}}), NAMESPACE, tier(REFERENCE))


def test_the_key_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "s3cret")
    assert apikey.given("KEY") == "s3cret"
    with pytest.raises(VerifyError, match="no variable OTHER_KEY"):
        apikey.given("OTHER_KEY")


@pytest.fixture
def gateway() -> Iterator[int]:
    """A gateway with workers that want the key s3cret."""

    class Server(Handler):
        def do_GET(self) -> None:
            right = self.headers.get("Authorization") == "Bearer s3cret"
            body = b'{"data": [{"id": "llama", "max_model_len": 100}]}' if right else b"Unauthorized"
            self.answer(200 if right else 401, body)

    with listening(Server) as port:
        yield port


def test_requests_with_a_key_go_past_the_api_server(gateway: int) -> None:
    behind = endpoint("gate-istio", "127.0.0.1", gateway)
    client = GatewayClient(FakeCluster({}), behind, 5, key="s3cret")
    found, longest = judge_models(client, "llama", lambda finding: finding)
    assert (found.outcome, longest) == (Outcome.OK, 100)
    assert found.evidence.endswith(f"(127.0.0.1 port {gateway}, directly)")
    url = f"http://127.0.0.1:{gateway}"
    wrong = GatewayClient(FakeCluster({}), endpoint(), 5, url=url, key="wrong")
    refused, _ = judge_models(wrong, "llama", lambda finding: finding)
    assert refused.meaning == "vLLM refuses the API key"
    assert "wrong" not in str(refused)


def verification(cluster: FakeCluster) -> tuple[Verification, list[Finding]]:
    found: list[Finding] = []
    done = Verification(cluster, outputs(), found.append)
    done._tiers["decode"] = tier(REFERENCE)
    return done, found


def test_without_the_key_or_a_way_for_it_no_request_is_sent() -> None:
    path = type("Path", (), {"endpoint": endpoint("gate-istio")})()
    hidden, found = verification(FakeCluster({}, forbids=(SECRET,)))
    assert hidden._gateway(path, 5, None, None) is None
    assert (found[0].outcome, "--api-key-from" in found[0].remedy) == (Outcome.UNSEEN, True)
    unaddressed, found = verification(FakeCluster({SECRET: {"data": {"k": "czNjcmV0"}}}))
    assert unaddressed._gateway(path, 5, None, None) is None
    assert "--url http://localhost:8000" in found[0].remedy
    client = unaddressed._gateway(path, 5, "http://localhost:8000", None)
    assert client is not None
    assert client.name == "http://localhost:8000"
