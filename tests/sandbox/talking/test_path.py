"""The path of a request as text."""

from sandbox.talking import path, pods
from sandbox.talking.following import decision
from tests.sandbox.talking.examples import ALL, GATEWAY, access, on_host, pod


def test_the_path_of_a_disaggregated_request() -> None:
    lines = path.lines(GATEWAY, access("10.244.0.3:8000", "10.244.0.5:8000"), ALL)

    assert lines == [
        "  gateway  infra-pd-inference-gateway-istio-1 on amd-0",
        "→ picker   gaie-pd-epp-1 on amd-0, decided after 1.3 ms",
        "→ prefill  ms-pd-prefill-1 on amd-0",
        "→ decode   ms-pd-decode-1 on amd-0",
    ]


def test_the_path_of_a_request_with_decode_only() -> None:
    lines = path.lines(GATEWAY, access(None, "10.244.0.5:8000"), ALL)

    assert [line.split()[1] for line in lines[1:]] == ["picker", "decode"]


def test_the_path_of_a_request_at_another_worker_than_chosen() -> None:
    lines = path.lines(GATEWAY, access(None, "10.244.0.5:8000", "10.244.0.77:8000"), ALL)

    assert lines[-1] == "→ decode   10.244.0.77:8000 (picked was 10.244.0.5:8000)"


def test_the_path_of_an_answer_from_a_prefill_worker() -> None:
    lines = path.lines(GATEWAY, access(None, "10.244.0.4:8000"), ALL)

    assert lines[-1] == "→ prefill  ms-pd-prefill-2 on amd-0"


def test_a_decision_in_one_line() -> None:
    assert decision(access("10.244.0.4:8000", "10.244.0.5:8000"), ALL) == (
        "12:00:00.250  200 /v1/completions  picked 1.3 ms, first byte 5.0 ms, all 12.0 ms  "
        "prefill ms-pd-prefill-2 → decode ms-pd-decode-1"
    )
    assert "no worker chosen" in decision(access(None, None, "10.244.0.5:8000"), ALL)


def test_gateway_pods_are_those_of_one_gateway() -> None:
    assert path.gateway_pods(ALL) == [GATEWAY]
    assert path.gateway_pods(ALL, "llm-d-pd", "infra-pd-inference-gateway") == [GATEWAY]
    assert path.gateway_pods(ALL, "llm-d-pd", "another") == []


def test_pods_on_their_nodes_network_differ_by_port() -> None:
    prefill = on_host(pod("p", "10.244.254.1", ports={"vllm": 8000}, role="prefill"))
    decode = on_host(pod("d", "10.244.254.1", ports={"vllm": 8200, "": 8001}, role="decode"))

    assert pods.at([prefill, decode], "10.244.254.1:8000") is prefill
    assert pods.at([prefill, decode], "10.244.254.1:8001") is decode
