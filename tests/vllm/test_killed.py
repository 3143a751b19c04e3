"""What ends a worker of vLLM 0.17.1: a killed prefill worker, and a client's field; `verify` says so."""

import pytest

from tests.vllm.pair import Pair, text, until

pytestmark = pytest.mark.vllm
COMPLETIONS = "/v1/completions"


def test_decode_ends_with_the_blocks_of_a_killed_prefill_worker(pair: Pair) -> None:
    """A vLLM that survives this fails here: then the docs' known limit of release 0.6 is gone."""
    body = {"prompt": text(500, "killed"), "max_tokens": 1, "temperature": 0}
    assert pair.ask(COMPLETIONS, {**body, "prompt": text(500, "met")})[0] == 200
    leg = {"do_remote_decode": True, "do_remote_prefill": False}
    status, answer = pair.direct(COMPLETIONS, {**body, "kv_transfer_params": leg})
    assert status == 200, answer
    prefill, decode = pair.pod("prefill"), pair.pod("decode")
    pair.api.delete(prefill.path, gracePeriodSeconds="0")

    status, _ = pair.direct(COMPLETIONS, {**body, "kv_transfer_params": answer["kv_transfer_params"]}, "decode")

    assert status >= 500
    until(lambda: pair.pod("decode").restarts > decode.restarts, "decode is restarted")
    pair.await_started("prefill")
    found = pair.verify()
    assert "Counters can only be incremented by non-negative amounts" in found["decode"]["evidence"]
    assert "a prefill worker is killed" in found["decode"]["meaning"]


def test_a_clients_kv_transfer_params_end_the_worker(pair: Pair) -> None:
    """Sent to vLLM itself: the routing sidecar overwrites the field where it asks a prefill worker."""
    nobody = {
        "do_remote_prefill": True,
        "do_remote_decode": False,
        "remote_engine_id": "00000000-0000-4000-8000-000000000000",
        "remote_block_ids": [1],
        "remote_request_id": "none",
        "remote_host": "127.0.0.1",
        "remote_port": 9,
        "tp_size": 1,
    }
    before = pair.pod("decode").restarts

    status, _ = pair.direct(COMPLETIONS, {"prompt": text(200, "client"), "kv_transfer_params": nobody}, "decode")

    assert status >= 500
    until(lambda: pair.pod("decode").restarts > before, "decode is restarted")
    assert "NIXL handshake failed" in pair.verify()["decode"]["evidence"]
