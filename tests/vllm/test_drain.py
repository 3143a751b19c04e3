"""A deleted worker finishes its requests, and its successor becomes Ready by the program's probes."""

import threading
from typing import Any

import pytest

from sandbox.client.pods import Pod
from sandbox.cluster.api import ApiError
from tests.vllm.pair import PATIENCE, Pair, text, until

pytestmark = pytest.mark.vllm
COMPLETIONS = "/v1/completions"
TOKENS = 600
LONG = {"prompt": text(100, "long"), "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}


def gone(pair: Pair, pod: Pod) -> bool:
    try:
        return bool(pair.api.get(pod.path)["metadata"]["uid"] != pod.object["metadata"]["uid"])
    except ApiError as error:
        assert error.code == 404
        return True


def succeeded(pair: Pair, before: Pod) -> None:
    """Wait for the successor of a pod; it must become Ready by its probes, without a restart."""
    until(lambda: pair.pod(before.role).name != before.name, f"a new {before.role} worker is Ready")
    pod = pair.pod(before.role)
    [vllm] = [one for one in pod.object["status"]["containerStatuses"] if one["name"] == "vllm"]
    assert (vllm["restartCount"], vllm["started"], vllm["ready"]) == (0, True, True)
    assert pair.ask(COMPLETIONS, {"prompt": "warm", "max_tokens": 1})[0] == 200


def test_a_prefill_worker_ends_once_its_blocks_are_fetched(pair: Pair) -> None:
    """It waits for unfetched blocks, which takes longer than the end of requests, and ends after they are fetched."""
    pod = pair.pod("prefill")
    assert pair.ask(COMPLETIONS, {"prompt": text(500, "fetched"), "max_tokens": 1})[0] == 200
    assert pair.direct(COMPLETIONS, {"prompt": "step", "max_tokens": 1})[0] == 200
    assert pair.counters(pod).cache_use == 0, "every block was fetched"
    prompt = text(500, "stranded")
    leg = {"do_remote_decode": True, "do_remote_prefill": False}
    status, answer = pair.direct(COMPLETIONS, {"prompt": prompt, "max_tokens": 1, "kv_transfer_params": leg})
    assert status == 200
    before = pair.counters(pod)
    pair.api.delete(pod.path)

    # The hook itself sends a request if none runs and blocks are in use.
    until(lambda: pair.counters(pod).finished > before.finished, "the hook has asked for fresh gauges")
    assert pair.counters(pod).cache_use >= before.cache_use > 0
    fetch = {"prompt": prompt, "max_tokens": 2, "kv_transfer_params": answer["kv_transfer_params"]}
    grown = pair.transferred(lambda: pair.direct(COMPLETIONS, fetch, "decode"))
    assert (grown.finished, grown.transferred) == (1, 4 * pair.block)

    fetched = last = pair.counters(pod).finished

    def ended() -> bool:
        nonlocal last
        if gone(pair, pod):
            return True
        last = pair.counters(pod).finished
        return False

    until(ended, f"{pod.name} is gone")
    assert last - fetched <= 3, "the hook has gone on asking"
    succeeded(pair, pod)


def test_a_stream_completes_while_its_decode_worker_is_deleted(pair: Pair) -> None:
    pod = pair.pod("decode")
    events: list[dict[str, Any]] = []
    begun = threading.Event()

    def read() -> None:
        for event in pair.stream(COMPLETIONS, LONG):
            events.append(event)
            begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(PATIENCE)
    pair.api.delete(pod.path)
    assert reader.is_alive()
    until(lambda: gone(pair, pod), f"{pod.name} is gone")
    reader.join(PATIENCE)
    assert not reader.is_alive()
    assert events[-1]["usage"]["completion_tokens"] == TOKENS
    succeeded(pair, pod)
