"""Legs of requests by release: selective P/D, presets, custom configuration, standby pickers, tracing.

Tests build on each other.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml
from kubernetes.client import ApiException

from components.config.vocabulary import Preset, ReleaseName
from components.releases import RELEASES
from sandbox.cluster.api import ApiError
from sandbox.cluster.control_plane import ADDRESS
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT
from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import Traffic, traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards, ready

pytestmark = pytest.mark.thorough
NAMESPACE, PICKERS = "llm-d-pd", "inferencepool=gaie-pd-epp"
MODEL = "amd/Llama-3.3-70B-Instruct-FP8-KV"
SIDECAR = "ms-pd-llm-d-modelservice-decode-sidecar"
SENT = 24
"""Requests. By chance, one of two workers gets all of them once in eight million times."""
SELECTIVE = {"0.6": {"routing__selectivePd__nonCachedTokens": 64}, "0.4": {"routing__selectivePd__threshold": 256}}


@pytest.fixture(scope="module")
def stack(cluster: Running) -> Iterator[Deployment]:
    with destroyed_afterwards(deployment(cluster, "amd", count=3)) as made:
        made.configure(decode__replicas=2, **{"decode__extraArgs[0]": "--max-num-seqs=1"})
        yield made


@pytest.fixture(scope="module", params=SELECTIVE)
def release(request: pytest.FixtureRequest, stack: Deployment) -> str:
    """The stack in this release; the tests' settings are removed afterwards."""
    if stack.outputs.get("release"):
        stack.configure(routing=None)
    stack.pulumi("config", "set", "--path", "--type=string", "serving.release", request.param)
    stack.up()
    return str(request.param)


@pytest.fixture
def gateway(stack: Deployment, release: str) -> Iterator[Traffic]:
    with traffic(stack) as requests:
        yield requests


def _repeat(gateway: Traffic, prompt: str, times: int = SENT) -> None:
    for _ in range(times):
        gateway.complete(prompt, MODEL, 2)


def test_always_visits_one_prefill_and_one_decode_worker_per_request(gateway: Traffic) -> None:
    def send() -> None:
        for number in range(40):
            gateway.complete(words(30, f"always{number}"), MODEL)

    legs = gateway.counted(send, decode=40)
    assert legs.totals == (40, 40)
    assert len(legs.prefill) == 4, f"spread over the prefill pods: {legs.prefill}"
    assert min(legs.prefill.values()) >= 3, legs.prefill


def test_short_prompts_are_disaggregated_too(gateway: Traffic) -> None:
    assert gateway.counted(lambda: gateway.complete("hi", MODEL)).totals == (1, 1)


def test_selective_disaggregates_long_prompts_that_are_not_cached(gateway: Traffic, release: str) -> None:
    gateway.stack.up(**SELECTIVE[release])
    long = words(400, f"long{release}")
    assert gateway.counted(lambda: gateway.complete("short", MODEL)).totals == (0, 1)
    assert gateway.counted(lambda: gateway.complete(long, MODEL)).totals == (1, 1)
    assert gateway.counted(lambda: gateway.complete(long, MODEL)).totals == (0, 1), "decode has it cached now"
    assert gateway.counted(lambda: gateway.complete(words(400, "other"), MODEL)).totals == (1, 1)


def test_prefix_cache_aware_sends_a_repeated_prompt_to_the_same_worker(gateway: Traffic, release: str) -> None:
    gateway.stack.configure(routing=None)
    gateway.stack.up(routing__preset="prefix-cache-aware")
    prompt = words(400, "once")
    legs = gateway.counted(lambda: _repeat(gateway, prompt), decode=SENT)
    assert legs.totals == (SENT, SENT)
    assert len(legs.decode) == 1, legs
    assert (len(legs.prefill) == 1) == (release == "0.6"), f"the older picker remembers decode workers alone: {legs}"


def test_prefix_cache_aware_spreads_different_prompts(gateway: Traffic) -> None:
    def send() -> None:
        for number in range(SENT):
            _repeat(gateway, words(400, f"new{number}"), 1)

    assert len(gateway.counted(send, decode=SENT).decode) == 2


def test_load_aware_avoids_a_busy_worker_even_with_a_cached_prompt(gateway: Traffic) -> None:
    """A decode worker computes one request at a time here, so four of five long ones wait."""
    gateway.stack.up(routing__preset="load-aware")
    prompt = words(400, "again")
    [busy] = gateway.counted(lambda: _repeat(gateway, prompt, 1)).decode
    [idle] = {pod.metadata.name for pod in gateway.stack.pods(role="decode")} - {busy}
    with _kept_busy(gateway, busy):
        time.sleep(1)  # the EPP of the sandbox reads the queues every 150 ms, without a sign of it
        before = gateway.legs()
        _repeat(gateway, prompt)
        # On a busy machine the EPP sees the queues late once or twice. By chance, one run in 50,000 has so many.
        assert soon(lambda: (gateway.legs() - before).decode[idle] >= SENT - 2), gateway.legs() - before


@contextmanager
def _kept_busy(gateway: Traffic, pod: str) -> Iterator[None]:
    proxy = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8200/proxy"
    done = threading.Event()
    body = {"model": MODEL, "prompt": "long", "max_tokens": 30000, "ignore_eos": True}

    def ask() -> None:
        with traffic(gateway.stack) as own:
            while not done.is_set():
                with suppress(ApiError, SandboxError):  # the worker may have ended
                    own.api.create(f"{proxy}/v1/completions", body)

    for _ in range(5):
        threading.Thread(target=ask, daemon=True).start()
    try:
        assert soon(lambda: _waiting(gateway, proxy) >= 3), gateway.api.text(f"{proxy}/metrics")
        yield
        assert _waiting(gateway, proxy) >= 1, "busy to the end"
    finally:
        done.set()


def _waiting(gateway: Traffic, proxy: str) -> float:
    lines = gateway.api.text(f"{proxy}/metrics").splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_waiting{"))


def test_a_custom_configuration_is_used(gateway: Traffic, release: str) -> None:
    """It has random prefill workers and a decode filter for one pod, unlike every preset."""
    chosen = sorted(pod.metadata.name for pod in gateway.stack.pods(role="decode"))[0]
    gateway.stack.api.patch_namespaced_pod(chosen, NAMESPACE, {"metadata": {"labels": {"favourite": "yes"}}})
    own = RELEASES[ReleaseName(release)].picker_config(None, Preset.LOAD_AWARE).document()
    own["plugins"].insert(0, {"type": "by-label-selector", "parameters": {"matchLabels": {"favourite": "yes"}}})
    own["schedulingProfiles"][1]["plugins"].insert(1, {"pluginRef": "by-label-selector"})
    gateway.stack.configure(routing=None)
    _configured(gateway.stack, own)
    gateway.stack.up()
    legs = gateway.counted(lambda: _repeat(gateway, "anything"), decode=SENT)
    assert dict(legs.decode) == {chosen: SENT}, legs


def _configured(stack: Deployment, own: object) -> None:
    """Write the configuration into the stack file, as a user would."""
    file = stack.engine.cwd / f"Pulumi.{stack.stack}.yaml"
    document = yaml.safe_load(file.read_text())
    document["config"]["llm-d-pd:serving"]["routing"] = {"config": own}
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def test_up_ends_with_a_leading_and_a_standby_picker(gateway: Traffic) -> None:
    gateway.stack.configure(routing=None)
    gateway.stack.up(routing__replicas=2)
    assert soon(lambda: sorted(_pickers(gateway.stack).values()) == [False, True]), _pickers(gateway.stack)
    assert soon(gateway.disaggregated)
    _repeat(gateway, "after up", 3)


def test_when_the_leader_dies_another_takes_over(gateway: Traffic) -> None:
    [leader] = [name for name, leads in _pickers(gateway.stack).items() if leads]
    gateway.stack.api.delete_namespaced_pod(leader, NAMESPACE, grace_period_seconds=0)
    assert soon(lambda: any(leads and name != leader for name, leads in _pickers(gateway.stack).items()))
    assert soon(gateway.disaggregated)
    legs = gateway.counted(lambda: _repeat(gateway, "after the change", 4), decode=4)
    assert legs.totals == (4, 4)


def _pickers(stack: Deployment) -> dict[str, bool]:
    """Return the pickers that are not being deleted, and whether each is Ready."""
    with suppress(ApiException):
        pods = stack.api.list_namespaced_pod(NAMESPACE, label_selector=PICKERS).items
        return {pod.metadata.name: ready(pod) for pod in pods if pod.metadata.deletion_timestamp is None}
    return {}


def test_the_collector_receives_spans_of_picker_and_sidecar(
    gateway: Traffic, release: str, cluster: Running, tmp_path: Path
) -> None:
    """The older release makes none, which `up` reports."""
    spans = tmp_path / "spans"
    command = [*cluster.enter, sys.executable, "-m", "tests.collector", "4317", str(spans)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as collector:
        assert collector.stdout is not None
        assert collector.stdout.readline() == "listening\n"
        try:
            output = gateway.stack.up(tracing__endpoint=f"http://{ADDRESS}:4317", tracing__sampling=1)
            assert ("only vLLM's are sent" in output) == (release == "0.4")
            if release == "0.6":
                assert soon(lambda: _traced(gateway, spans)), _services(spans)
            else:
                _repeat(gateway, "trace me", 1)
                assert not _services(spans)
        finally:
            collector.terminate()


def _traced(gateway: Traffic, spans: Path) -> bool:
    """Whether the spans have arrived. A request is sent each time, because an EPP in replacement makes no span."""
    gateway.ask("POST", "/v1/completions", {"model": MODEL, "prompt": "trace me", "max_tokens": 2})
    return {"gaie-pd-epp", SIDECAR} <= _services(spans)


def _services(spans: Path) -> set[str]:
    return {json.loads(line)["service"] for line in spans.read_text().splitlines()}
