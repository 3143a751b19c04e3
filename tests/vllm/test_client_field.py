"""What a client's field does to a worker of vLLM 0.17.1; `verify` says so."""

import pytest

from tests.vllm.pair import Pair, text, until

pytestmark = pytest.mark.vllm
COMPLETIONS = "/v1/completions"


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
