"""Events that end a decode worker of vLLM 0.17.1, with the cause in `verify`."""

import os
import signal

import pytest

from tests.vllm.pair import Pair, text, until

pytestmark = pytest.mark.vllm
COMPLETIONS = "/v1/completions"


@pytest.fixture(autouse=True)
def unharmed(pair: Pair) -> None:
    """Workers without restarts, because the second restart of a container is delayed."""
    pair.renew_restarted()


def test_a_clients_kv_transfer_params_end_the_worker(pair: Pair) -> None:
    """The request goes to vLLM directly: the routing sidecar overwrites the field if it asks a prefill worker."""
    unknown = {
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

    status, _ = pair.direct(COMPLETIONS, {"prompt": text(200, "client"), "kv_transfer_params": unknown}, "decode")

    assert status >= 500
    until(lambda: pair.pod("decode").restarts > before, "decode is restarted")
    assert "NIXL handshake failed" in pair.verify()["decode"].evidence


def test_a_killed_prefill_worker_ends_the_decode_worker(pair: Pair) -> None:
    """It is killed between its leg of a request and the transfer of the KV blocks."""
    assert pair.ask(COMPLETIONS, {"prompt": text(300, "before"), "max_tokens": 2})[0] == 200
    prompt = text(500, "killed")
    leg = {"do_remote_decode": True, "do_remote_prefill": False}
    status, answer = pair.direct(COMPLETIONS, {"prompt": prompt, "max_tokens": 1, "kv_transfer_params": leg})
    assert status == 200
    before = pair.pod("decode").restarts
    [engine] = pair.engines("prefill")

    os.kill(engine, signal.SIGKILL)
    body = {"prompt": prompt, "max_tokens": 4, "kv_transfer_params": answer["kv_transfer_params"]}
    status, _ = pair.direct(COMPLETIONS, body, "decode")

    assert status >= 500
    until(lambda: pair.pod("decode").restarts > before, "decode is restarted")
    until(lambda: pair.pod("prefill").restarts > 0, "prefill is restarted")
    assert "Counters can only be incremented by non-negative amounts" in pair.verify()["decode"].evidence
