"""Changes by generation under 32 clients: no request fails, no stream is cut, nothing of an old generation is left."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGINT, SIGKILL

import pytest

from tests.sandbox.faults.command import processes
from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import Load, traffic
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

SMALL = {"prefill__replicas": 2, "decode__tensorParallel": 2, "rollout__settle": 5, "model__servedName": "m"}


@pytest.fixture(scope="module")
def stack(cluster: Running) -> Iterator[Deployment]:
    made = deployment(cluster, "amd")
    with destroyed_afterwards(made):
        made.up(release="0.4", **SMALL)
        yield made


def interrupted(stack: Deployment, when: Callable[[], bool]) -> None:
    """An `up` that gets Ctrl-C once `when` holds."""
    command = [*stack.cluster.enter, "pulumi", "up", "--yes", "--skip-preview", "--stack", stack.stack]
    running = subprocess.Popen(
        command,
        cwd=stack.engine.cwd,
        env=stack.engine.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert soon(when, 180)
        [engine] = [pid for pid in processes(stack) if Path(f"/proc/{pid}/comm").read_text() == "pulumi\n"]
        os.kill(engine, SIGINT)
        assert running.wait(60) != 0
    finally:
        if running.poll() is None:
            os.killpg(running.pid, SIGKILL)


def instances(stack: Deployment) -> set[str]:
    """The generations that have worker pods."""
    return {pod.metadata.labels["llm-d.ai/instance"] for role in ("prefill", "decode") for pod in stack.pods(role=role)}


def test_a_chain_of_changes_by_generation_loses_no_request(stack: Deployment) -> None:
    with traffic(stack) as gateway:
        load = Load(gateway.port, "m", 32, tokens=200)
        with load.running():
            # Another release, interrupted while the new workers start; nothing has been switched.
            stack.configure(release=None, rollout__generation="b", rollout__trial__requests=4)
            interrupted(stack, lambda: instances(stack) == {"pd", "pd-b"})
            assert stack.outputs["generation"] == ""
            stack.pulumi("up", "--yes", "--skip-preview")
            assert (instances(stack), stack.outputs["generation"]) == ({"pd-b"}, "b")
            # Another shape and block size, interrupted while the proxies are waited for.
            stack.configure(rollout__generation="c", decode__tensorParallel=4, model__blockSize=64)
            interrupted(stack, lambda: bool(stack.pods(instance="pd-c") and _settling(stack, "pd-c")))
            assert {"pd-b", "pd-c"} == instances(stack)
            stack.pulumi("up", "--yes", "--skip-preview")
            assert (instances(stack), stack.outputs["generation"]) == ({"pd-c"}, "c")
            # Back to the unnamed generation, as an `up` of an earlier commit goes.
            stack.up(rollout__generation=None, decode__tensorParallel=2, model__blockSize=None)
            assert (instances(stack), stack.outputs["generation"]) == ({"pd"}, "")
    assert len(load.requests) > 32
    assert [one for one in load.requests if one.trouble] == []
    assert not any("pd-b" in name or "pd-c" in name for name in stack.objects())


def test_a_generation_that_never_asks_prefill_is_not_served_and_the_same_word_repaired_is(stack: Deployment) -> None:
    wrong = {"routing__selectivePd__nonCachedTokens": 5000, "rollout__trial__prompt": "short"}
    with traffic(stack) as gateway:
        load = Load(gateway.port, "m", 4, tokens=50)
        with load.running():
            stack.configure(rollout__generation="d", **wrong)
            failed = stack.pulumi("up", "--yes", "--skip-preview", ok=False)
            assert failed.returncode
            assert "no prefill worker was asked" in failed.stdout
            assert (instances(stack), stack.outputs["generation"]) == ({"pd", "pd-d"}, "")
            stack.configure(rollout__generation="e")
            assert "is a third generation" in stack.pulumi("preview", ok=False).stdout
            stack.up(rollout__generation="d", routing__selectivePd=None, rollout__trial__prompt=None)
            assert (instances(stack), stack.outputs["generation"]) == ({"pd-d"}, "d")
    assert [one for one in load.requests if one.trouble] == []


def _settling(stack: Deployment, instance: str) -> bool:
    return any(pod.metadata.name.startswith(f"llm-d-{instance}-settle") for pod in stack.pods(instance=instance))
