"""The vLLM of a newer release: `make test-vllm RELEASE=0.9` writes what it sees into docs/releases.md.

Tests build on each other: the last one kills the prefill worker, and the page follows.
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.config.vocabulary import ReleaseName
from components.releases import RELEASES
from sandbox.modelserver import environment as machine
from tests.monitoring.promtool import expressions
from tests.vllm import newer
from tests.vllm.newer import Server, await_healthy
from tests.vllm.pair import same, text, tokens

pytestmark = pytest.mark.vllm
RELEASE = os.environ.get("RELEASE", "")
METRIC = re.compile(r"(vllm:\w+)\{")
ROWS: dict[str, str] = {}
"""What the tests saw, for the page."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    if unfit := machine.unfit():
        pytest.skip(f"no proofs with real vLLM: {unfit}")
    with newer.environment(RELEASE) as made:
        yield made


@pytest.fixture(scope="module")
def servers(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """A worker of each tier, and a decode worker of another dtype that computes what it cannot fetch."""
    here = tmp_path_factory.mktemp("vllm")
    recompute = {"kvTransfer": {"failurePolicy": "recompute"}}
    with (
        newer.server(folder, here, RELEASE, "prefill") as prefill,
        newer.server(folder, here, RELEASE, "decode") as decode,
        newer.server(folder, here, RELEASE, "decode", "--dtype=float32", **recompute) as other,
    ):
        started = {"prefill": prefill, "decode": decode, "other": other}
        for one in started.values():
            await_healthy(one)
        yield started


@pytest.mark.parametrize("length", [60, 700])
def test_both_legs_give_the_tokens_of_one_worker(servers: dict[str, Server], length: int) -> None:
    prompt = text(length, f"equal{length}")
    status, answer = servers["decode"].complete(prompt, servers["prefill"].prefilled(prompt))
    assert status == 200, answer
    same(tokens(answer), tokens(servers["prefill"].complete(prompt)[1]))
    ROWS["both legs, `kv_producer` and `kv_consumer`"] = "200; the tokens are those of one worker alone"


def test_the_roles_are_taken_without_a_warning(servers: dict[str, Server]) -> None:
    for tier, role in (("prefill", "kv_producer"), ("decode", "kv_consumer")):
        log = servers[tier].log.read_text()
        assert f"kv_role='{role}'" in log or f'"kv_role":"{role}"' in log, log[-2000:]
        assert "kv_both" not in log
        assert not re.findall(r"(?i)unknown vllm environment variable.*", log)


def test_every_metric_of_dashboards_and_alerts_is_there(servers: dict[str, Server]) -> None:
    used = {name for each in expressions(RELEASE).values() for name in METRIC.findall(each)}
    sent = {name for one in servers.values() for name in METRIC.findall(one.ask("GET", "/metrics")[1])}
    assert used - sent == set()
    ROWS["metrics of dashboards, alerts and verify"] = f"all {len(used)} are there"


def test_a_refused_handshake_fails_the_request_alone(servers: dict[str, Server]) -> None:
    decode, prompt = servers["decode"], text(300, "closed")
    closed = {"remote_engine_id": "00000000-0000-4000-8000-000000000000", "remote_port": 9}
    status, _ = decode.complete(prompt, {**servers["prefill"].prefilled(prompt), **closed})
    assert status == 500
    assert decode.lives()
    assert decode.complete(prompt)[0] == 200
    ROWS["a closed side channel"] = "500; the decode worker goes on"


def test_a_handshake_of_another_dtype_is_refused_and_recomputed(servers: dict[str, Server]) -> None:
    other, prompt = servers["other"], text(300, "dtype")
    status, answer = other.complete(prompt, servers["prefill"].prefilled(prompt))
    assert status == 200, answer
    assert "compatibility hash mismatch" in other.log.read_text()
    assert other.lives()
    ROWS["NIXL refuses the handshake (another dtype), `failurePolicy: recompute`"] = "200; decode computes the prompt"


def test_a_killed_prefill_worker_fails_the_request_alone(servers: dict[str, Server]) -> None:
    """It is killed between its leg and the transfer."""
    decode, prompt = servers["decode"], text(500, "killed")
    params = servers["prefill"].prefilled(prompt)
    servers["prefill"].kill()
    status, _ = decode.complete(prompt, params)
    assert status == 500
    assert decode.lives()
    assert decode.complete(prompt)[0] == 200
    ROWS["the prefill worker is killed before the transfer"] = "500; the decode worker goes on"


def test_the_page_says_what_was_seen(folder: Path) -> None:
    found = newer.versions(folder)
    assert found["vllm"].partition("+")[0] == RELEASES[ReleaseName(RELEASE)].vllm
    assert len(ROWS) == 5, "a test before this one failed"
    newer.write(RELEASE, f"{datetime.now(UTC):%Y-%m-%d}", found, ROWS)
