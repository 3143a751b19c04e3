"""A worker that is deleted finishes what it has begun, and its successor starts through the program's probes."""

import threading
import time
from typing import Any

import pytest

from sandbox.cluster.api import ApiError
from sandbox.talking.pods import Pod
from tests.vllm.pair import PORTS, Pair, text, until

pytestmark = pytest.mark.vllm
LONG = {"prompt": text(100, "long"), "max_tokens": 1200, "temperature": 0, "ignore_eos": True}


def gone(pair: Pair, pod: Pod) -> float:
    """Delete a pod; return the seconds until it is gone."""
    begin = time.monotonic()
    pair.api.delete(pod.path)

    def missing() -> bool:
        try:
            return bool(pair.api.get(pod.path)["metadata"]["uid"] != pod.object["metadata"]["uid"])
        except ApiError as error:
            assert error.code == 404
            return True

    until(missing, f"{pod.name} is gone")
    return time.monotonic() - begin


def started(pair: Pair, role: str, before: Pod) -> Pod:
    """Wait for the successor of a pod; it must become Ready through its probes and without a restart."""
    until(lambda: pair.pod(role).name != before.name, f"a new {role} worker is Ready")
    pod = pair.pod(role)
    [vllm] = [one for one in pod.object["status"]["containerStatuses"] if one["name"] == "vllm"]
    assert (vllm["restartCount"], vllm["started"], vllm["ready"]) == (0, True, True)
    assert pair.ask("/v1/completions", {"prompt": "warm", "max_tokens": 1})[0] == 200
    return pod


def test_a_stream_ends_whole_while_its_decode_worker_is_deleted(pair: Pair) -> None:
    pod = pair.pod("decode")
    events: list[dict[str, Any]] = []
    begun = threading.Event()

    def read() -> None:
        for event in pair.stream("/v1/completions", LONG):
            events.append(event)
            begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(60)
    gone(pair, pod)
    reader.join(60)
    assert not reader.is_alive()
    assert events[-1]["usage"]["completion_tokens"] == 1200
    started(pair, "decode", pod)


def test_a_prefill_worker_waits_for_blocks_that_nobody_has_fetched(pair: Pair) -> None:
    """Fetched blocks delay no end: the same worker ends sooner."""
    pod = pair.pod("prefill")
    assert pair.ask("/v1/completions", {"prompt": text(500, "fetched"), "max_tokens": 2})[0] == 200
    fetched = gone(pair, pod)
    pod = started(pair, "prefill", pod)
    leg = {"do_remote_decode": True, "do_remote_prefill": False}
    body = {"prompt": text(500, "stranded"), "max_tokens": 1, "model": pair.target.model, "kv_transfer_params": leg}
    answer = pair.api.create(f"{pod.path}:{PORTS['prefill']}/proxy/v1/completions", body)
    assert answer["kv_transfer_params"]["remote_block_ids"]
    stranded = gone(pair, pod)
    assert fetched < stranded
    started(pair, "prefill", pod)
