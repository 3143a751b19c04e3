"""Pods by role, by a part of their name, and by the address that a request went to."""

import pytest

from sandbox.talking import pods
from tests.sandbox.talking.examples import ALL, DECODE, GATEWAY, PICKER, PREFILL, SECOND, on_host, pod


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("prefill", [PREFILL, SECOND]),
        ("prefill-2", [SECOND]),
        ("decode", [DECODE]),
        ("epp", [PICKER]),
        ("gateway", [GATEWAY]),
        ("ms-pd", [PREFILL, SECOND, DECODE]),
        ("nobody", []),
    ],
)
def test_a_role_or_a_part_of_a_name(words: str, expected: list[pods.Pod]) -> None:
    assert pods.matching(ALL, words) == expected


def test_a_role_wins_over_names_that_contain_the_word() -> None:
    other = pod("decode-benchmark")

    assert pods.matching([*ALL, other], "decode") == [DECODE]


def test_what_a_pod_says_of_itself() -> None:
    assert (DECODE.role, DECODE.node, DECODE.state, DECODE.restarts, DECODE.gpus) == ("decode", "amd-0", "Ready", 2, 4)
    assert DECODE.port("vllm") == 8200
    assert GATEWAY.port("vllm") is None


def test_the_pod_behind_an_address() -> None:
    assert pods.at(ALL, "10.244.0.5:8000") is DECODE
    assert pods.at(ALL, "10.244.0.99:8000") is None
    assert pods.at(ALL, None) is None


def test_pods_on_their_nodes_network_differ_by_port() -> None:
    prefill = on_host(pod("p", "10.244.254.1", ports={"vllm": 8000}, role="prefill"))
    decode = on_host(pod("d", "10.244.254.1", ports={"vllm": 8200, "": 8001}, role="decode"))

    assert pods.at([prefill, decode], "10.244.254.1:8000") is prefill
    assert pods.at([prefill, decode], "10.244.254.1:8001") is decode
