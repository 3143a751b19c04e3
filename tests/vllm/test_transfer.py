"""vLLM's own counters account for every KV block, and `verify` reads them."""

import json

import pytest

from tests.vllm.pair import STACK, Pair, sandbox, text

pytestmark = pytest.mark.vllm


@pytest.mark.parametrize(("length", "blocks"), [(7, 1), (128, 1), (129, 2), (700, 6)])
def test_every_block_of_a_prompt_is_transferred_once(pair: Pair, length: int, blocks: int) -> None:
    body = {"prompt": text(length, f"count{length}"), "max_tokens": 4, "temperature": 0}
    grown = pair.transferred(lambda: pair.ask("/v1/completions", body))
    assert grown.transfers == 1
    assert grown.transferred == blocks * pair.block
    assert grown.failures == 0
    assert grown.finished == 1
    assert grown.transfer_seconds


def test_a_repeated_prompt_transfers_only_the_last_block(pair: Pair) -> None:
    body = {"prompt": text(419, "repeated"), "max_tokens": 4, "temperature": 0}
    first = pair.transferred(lambda: pair.ask("/v1/completions", body))
    again = pair.transferred(lambda: pair.ask("/v1/completions", body))
    assert (first.transferred, again.transferred) == (4 * pair.block, pair.block)


def test_a_refused_request_leaves_blocks_and_no_finding(pair: Pair) -> None:
    refused, _ = pair.ask("/v1/completions", {"prompt": text(400, "left"), "max_tokens": -1})
    assert refused == 400
    assert pair.ask("/v1/completions", {"prompt": "step", "max_tokens": 1})[0] == 200
    assert pair.counters(pair.pod("prefill")).cache_use > 0
    assert pair.verify()["KV transfer"].outcome == "ok"


def test_verify_sees_transfers_and_their_transport(pair: Pair) -> None:
    done = sandbox(pair.home, "verify", "--stack", STACK, "--", "--json")
    document = json.loads(done.stdout[done.stdout.index("{") : done.stdout.rindex("}") + 1])
    findings = {one["step"]: one for one in document["steps"]}
    assert findings["KV transfer"]["outcome"] == "ok", findings
    assert "its KV cache is" in findings["KV transfer"]["evidence"]
    assert findings["KV source"]["outcome"] == "ok", findings
    assert findings["transport"]["outcome"] == "ok", findings
    assert "tcp/eth0" in findings["transport"]["evidence"]
    assert done.returncode == 0, done.stdout
