"""Changes by generation under 32 clients: no request fails, no stream is cut, nothing of an old generation is left."""

import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, SIGKILL, Signals
from threading import Thread
from typing import Any

import pytest

from sandbox.cluster.api import Api, connect
from sandbox.cluster.keeper import SIMULATOR
from sandbox.home import CHECKOUT
from sandbox.network.istio import read_access
from tests.sandbox.faults.cells import ADOPT, recovered
from tests.sandbox.faults.command import PATIENCE, State, leftovers, processes, started
from tests.sandbox.faults.phases import PHASES, deletion_held
from tests.sandbox.faults.table import cell
from tests.sandbox.running import Running, separate, soon
from tests.sandbox.serving.traffic import Load, Traffic, traffic
from tests.sandbox.stack.deployment import RELEASE, Deployment, deployment, destroyed_afterwards, gpus, ready

pytestmark = pytest.mark.thorough

SMALL = {"prefill__replicas": 2, "decode__tensorParallel": 2, "rollout__settle": 5, "model__servedName": "m"}
MODEL = "amd/Llama-3.3-70B-Instruct-FP8-KV"
IMAGE = "ghcr.io/llm-d/llm-d-rocm:v0.5.1"
PAGE = (CHECKOUT / "docs" / "changes.md").read_text()
INTERRUPTED = (CHECKOUT / "docs" / "recovering.md").read_text()
"""Page with the commands that continue an interrupted `up`."""
TOKENS = 40
"""Tokens of a stream; at 100 ms per token it takes 4 s."""


@pytest.fixture(scope="module")
def slow_cluster() -> Iterator[Running]:
    """A cluster with 100 ms per token, so that streams are in progress in every step of a change."""
    with separate("generations", variables={SIMULATOR: "--inter-token-latency=100ms"}) as started:
        yield started


@pytest.fixture(scope="module")
def stack(slow_cluster: Running) -> Iterator[Deployment]:
    made = deployment(slow_cluster, "amd")
    with destroyed_afterwards(made):
        made.up(release="0.4", **SMALL)
        yield made


@dataclass(frozen=True)
class Change:
    """One `up` of the chain, with its interruption."""

    point: str
    """What the `up` does when it is interrupted."""
    settings: dict[str, Any]
    word: str
    at: tuple[str, str]
    """Operation in the state, and its resource, in which the `up` is interrupted."""
    signal: Signals


CHAIN = (
    Change(
        "the new EPP starts",
        {"prefill__image": IMAGE, "decode__image": IMAGE, "rollout__trial__requests": 4},
        "b",
        ("creating", "endpoint-picker-b-deployment"),
        SIGINT,
    ),
    Change(
        "the trial begins",
        {"release": RELEASE, "prefill__image": None, "decode__image": None},
        "c",
        ("creating", "model-gateway-trial-c"),
        SIGKILL,
    ),
    Change("the new workers start", {"decode__tensorParallel": 4}, "d", ("creating", "decode-d-deployment"), SIGINT),
    Change(
        "the proxies are waited for", {"model__blockSize": 64}, "e", ("creating", "model-gateway-settle-e"), SIGKILL
    ),
    Change(
        "the old workers are deleted",
        {"model__name": "Qwen/Qwen3-32B"},
        "f",
        ("deleting", "decode-e-deployment"),
        SIGINT,
    ),
    Change(
        "the old EPP is deleted", {"model__name": MODEL}, "e", ("deleting", "endpoint-picker-f-deployment"), SIGKILL
    ),
)
"""Image, release, tensor parallelism, block size, model, and back by the previous commit."""


@contextmanager
def held(stack: Deployment, operation: str, resource: str) -> Iterator[None]:
    """The deletion of a Deployment does not end within: that of the EPP may be shorter than a look at the state."""
    if operation != "deleting":
        yield
        return
    [key] = [one["id"] for urn, one in State.of(stack).resources.items() if urn.endswith(f"::{resource}")]
    namespace, _, name = key.partition("/")
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    with connect(stack.cluster.host_kubeconfig) as api, deletion_held(api, path):
        yield


def interrupted(stack: Deployment, at: tuple[str, str], signal: Signals) -> None:
    """An `up` that gets the signal in the middle of an operation."""
    with held(stack, *at), started(stack, "up", within=stack.cluster.enter) as running:
        assert soon(lambda: running.over or at in State.of(stack).pending, PATIENCE), running.said
        assert not running.over, running.said
        [engine] = [pid for pid in processes(stack) if Path(f"/proc/{pid}/comm").read_text() == "pulumi\n"]
        os.kill(engine, signal)
        assert running.end() != 0


def instances(stack: Deployment) -> set[str]:
    """The generations that have worker pods."""
    return {pod.metadata.labels["llm-d.ai/instance"] for pod in stack.pods(**{"inference-serving": "true"})}


def served_by(gateway: Traffic) -> str:
    """The generation that answers."""
    return gateway.ask("GET", "/v1/models").headers.get("x-llm-d-generation", "")


def used(stack: Deployment) -> int:
    """GPUs of all pods."""
    return sum(gpus(pod, "amd.com/gpu") for pod in stack.pods())


@dataclass
class Transfers:
    """KV transfers between pods, from the gateway's access log: the workers that the EPP chose for each request."""

    gateway: Traffic
    workers: dict[str, str] = field(default_factory=dict)
    """Generation of each worker seen so far, by its address."""

    def look(self) -> None:
        """Remember the present workers. The sandbox gives no address twice."""
        for pod in self.gateway.stack.pods(**{"inference-serving": "true"}):
            if pod.status.pod_ip:
                self.workers[pod.status.pod_ip] = pod.metadata.labels["llm-d.ai/instance"]

    def counted(self) -> Counter[tuple[str, str]]:
        """Number of transfers by generation of the decode and of the prefill worker."""
        [proxy] = [pod.metadata.name for pod in self.gateway.stack.pods() if "-gateway-istio-" in pod.metadata.name]
        log = self.gateway.api.text(f"/api/v1/namespaces/llm-d-pd/pods/{proxy}/log")
        ended = [one for line in log.splitlines() if (one := read_access(line))]
        return Counter((self._of(one.upstream), self._of(one.prefill)) for one in ended if one.upstream and one.prefill)

    def _of(self, address: str) -> str:
        return self.workers[address.partition(":")[0]]


def destroyed(stack: Deployment, title: str) -> None:
    """Destroy the stack; compare with the row of the page."""
    begun = time.monotonic()
    stack.pulumi("destroy", "--yes", "--skip-preview")
    print(f"--- {title}: {time.monotonic() - begun:.0f} s")
    assert stack.objects() == set()
    assert f"| {title} | succeeds | none | none |" in PAGE


def test_a_standalone_envoy_follows_two_changes_and_loses_no_request(slow_cluster: Running) -> None:
    with destroyed_afterwards(deployment(slow_cluster, "amd")) as stack:
        stack.up(gateway__provider="standalone", **SMALL, rollout__trial__requests=4)
        with traffic(stack) as gateway:
            load = Load(gateway.port, "m", 32, TOKENS)
            with load.running():
                for word, settings in (("b", {"model__blockSize": 64}), ("c", {"decode__tensorParallel": 4})):
                    stack.up(rollout__generation=word, **settings)
                    assert (instances(stack), served_by(gateway)) == ({f"pd-{word}"}, word)
        assert [one for one in load.requests if one.trouble] == []
        stack.configure(rollout__generation="d")
        interrupted(stack, ("creating", "decode-d-deployment"), SIGINT)
        destroyed(stack, "`destroy`, after Ctrl-C while the new workers start")


def test_a_chain_of_changes_by_generation_loses_no_request(stack: Deployment) -> None:
    with traffic(stack) as gateway:
        load, transfers = Load(gateway.port, "m", 32, TOKENS), Transfers(gateway)
        transfers.look()
        rows: list[str] = []
        with load.running():
            begun = time.monotonic()
            for change in CHAIN:
                stack.configure(**change.settings, rollout__generation=change.word)
                interrupted(stack, change.at, change.signal)
                transfers.look()
                helped = recovered(stack, PHASES["change"], "interrupted", lambda: True)
                if ADOPT in helped:
                    stack.configure(adopt=None)
                transfers.look()
                print(f"--- {change.word}: {time.monotonic() - begun:.0f} s since the begin")
                signal = "Ctrl-C" if change.signal is SIGINT else "SIGKILL"
                rows.append(f"| {change.point} | {signal} | {cell(helped)} |")
                assert (instances(stack), served_by(gateway)) == ({f"pd-{change.word}"}, change.word)
                assert used(stack) == (6 if change.word in "def" else 4)
                assert leftovers(stack) == []
        counted = transfers.counted()
    assert [one for one in load.requests if one.trouble] == []
    print(f"--- {len(load.requests)} requests, {sum(one.streamed for one in load.requests)} streams, {counted}")
    words = dict.fromkeys(change.word for change in CHAIN)
    assert counted.keys() == {(each, each) for each in ("pd", *(f"pd-{word}" for word in words))}
    gone = words.keys() - {CHAIN[-1].word}
    assert [name for name in stack.objects() if re.search(rf"\bpd-({'|'.join(gone)})\b", name)] == []
    stack.pulumi("preview", "--expect-no-changes")
    assert [row for row in rows if row not in INTERRUPTED] == []


WORKERS = "/apis/apps/v1/namespaces/llm-d-pd/deployments/ms-pd-g-llm-d-modelservice-decode"
POOL = "/apis/inference.networking.k8s.io/v1/namespaces/llm-d-pd/inferencepools/gaie-pd-g"
NEVER_PREFILL = {"routing__selectivePd__nonCachedTokens": 5000, "rollout__trial__prompt": "short"}


def refused(gateway: Traffic) -> str:
    """Output of an `up` that must fail, and leave the old generation serving."""
    failed = gateway.stack.pulumi("up", "--yes", "--skip-preview", "--color=never", ok=False)
    assert failed.returncode
    assert (instances(gateway.stack), served_by(gateway)) == ({"pd-e", "pd-g"}, "e")
    return failed.stdout


def find_no_endpoint(api: Api, instance: str) -> None:
    """Lead the pool of g to the workers of an instance."""
    api.patch(POOL, {"spec": {"selector": {"matchLabels": {"llm-d.ai/instance": instance}}}})


def rename_the_model(gateway: Traffic, name: str) -> None:
    """Change the served name of g's decode workers, and wait for them."""
    template = gateway.api.get(WORKERS)["spec"]["template"]
    [vllm] = [each for each in template["spec"]["containers"] if each["name"] == "vllm"]
    flag = "--served-model-name="
    vllm["args"] = [f"{flag}{name}" if each.startswith(flag) else each for each in vllm["args"]]
    gateway.api.patch(WORKERS, {"spec": {"template": template}})

    def renamed() -> bool:
        pods = gateway.stack.pods(role="decode", instance="pd-g")
        return [ready(pod) and f"{flag}{name}" in pod.spec.containers[0].args for pod in pods] == [True]

    assert soon(renamed)


@contextmanager
def killed(stack: Deployment) -> Iterator[None]:
    """Delete the next pod of a trial that appears while the body runs."""
    old = {pod.metadata.name for pod in stack.pods(trial="true")}

    def kill() -> None:
        assert soon(lambda: bool({pod.metadata.name for pod in stack.pods(trial="true")} - old))
        for pod in stack.pods(trial="true"):
            if pod.metadata.name not in old:
                stack.api.delete_namespaced_pod(pod.metadata.name, "llm-d-pd", grace_period_seconds=0)

    killing = Thread(target=kill)
    killing.start()
    yield
    killing.join()


COMMANDS = {
    "`up` with a third word": ("up", "--yes", "--skip-preview"),
    "`refresh`": ("refresh", "--yes", "--skip-preview"),
    "`up --target` of a new worker tier": ("up", "--yes", "--skip-preview", "--target", "**decode-g-deployment"),
}
"""Rows of the page: commands while a generation is unfinished."""


def written(title: str, done: "subprocess.CompletedProcess[str]", gateway: Traffic, old: str) -> None:
    """Compare what a command did, and what is left, with the row of the page."""
    result = "succeeds" if done.returncode == 0 else "refused" if "is a third generation" in done.stdout else "fails"
    left = "both" if len(instances(gateway.stack)) == 2 else "one"
    row = f"| {title} | {result} | {'old' if served_by(gateway) == old else 'new'} generation | {left} |"
    assert row in PAGE, f"{row}\n{done.stdout}"


def test_a_generation_that_answers_wrongly_is_not_served_and_the_same_word_repaired_is(stack: Deployment) -> None:
    with traffic(stack) as gateway:
        load = Load(gateway.port, "m", 4, TOKENS)
        with load.running():
            stack.configure(rollout__generation="g", **NEVER_PREFILL)
            assert "no prefill worker was asked" in refused(gateway)
            for title, words in COMMANDS.items():
                stack.configure(rollout__generation="h" if "third" in title else "g")
                written(title, stack.pulumi(*words, ok=False), gateway, "e")
            stack.configure(rollout__generation="g", routing=None, rollout__trial__prompt=None)
            find_no_endpoint(gateway.api, "none")
            assert "4 of 4 requests failed, 0 may: status 503" in refused(gateway)
            find_no_endpoint(gateway.api, "pd-g")
            rename_the_model(gateway, "n")
            assert "4 of 4 requests failed, 0 may: status 404" in refused(gateway)
            rename_the_model(gateway, "m")
            with killed(stack):
                refused(gateway)
            stack.pulumi("up", "--yes", "--skip-preview")
            assert (instances(stack), served_by(gateway)) == ({"pd-g"}, "g")
            stack.configure(rollout__generation="h", **NEVER_PREFILL)
            assert stack.pulumi("up", "--yes", "--skip-preview", ok=False).returncode
            [route] = [urn for urn in State.of(stack).resources if urn.endswith("::model-gateway-route")]
            done = stack.pulumi("up", "--yes", "--skip-preview", "--target", route, ok=False)
            written("`up --target` of the main HTTPRoute", done, gateway, "g")
        destroyed(stack, "`destroy`, after a failed trial")
    assert [one for one in load.requests if one.trouble] == []
