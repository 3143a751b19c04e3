"""What `make status` says of pods that wait: as `up` does, and what the sandbox itself can change."""

from sandbox.client import status
from tests.verify.fake import FakeCluster
from verify.waiting import Trouble


def test_status_names_the_setting_and_what_the_sandbox_can_change() -> None:
    full = Trouble("d", "decode", "unscheduled", "decode-1", "2 Insufficient amd.com/gpu.", "serving.decode.replicas")
    assert status.shown(FakeCluster({}), "llm-d-pd", full) == (
        "llm-d-pd: decode waits: decode-1: 2 Insufficient amd.com/gpu.\n"
        "    → serving.decode.replicas; here: make up NODES=…, or other nodes: make up CLUSTER=…"
    )


def test_status_shows_the_end_of_the_log() -> None:
    pod, container = {"metadata": {"name": "decode-1"}}, {"name": "vllm", "state": {"waiting": {}}}
    ended = Trouble("d", "decode", "ends", "decode-1", "it ended", "the log above", pod=pod, status=container)
    log = FakeCluster({}, {"decode-1/vllm": "one\ntwo\nerror: three\nfour\n"})
    assert status.shown(log, "n", ended).splitlines()[1:] == [
        "      | two",
        "      | error: three",
        "      | four",
        "    → the log above",
    ]
