"""One prefill and one decode worker of real vLLM, for all tests of this folder."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from access import kubeconfig as kubeconfigs
from access.server import ApiServer
from sandbox.client import chat, pods
from sandbox.client.pods import Pod
from sandbox.client.route import Target, find_target
from sandbox.cluster.api import Api, ApiError
from sandbox.engine.backend import stack_outputs
from sandbox.home import CHECKOUT, Home
from sandbox.modelserver import choice
from sizing import source
from verify import metrics
from verify.cluster import Cluster
from verify.finding import Finding
from verify.metrics import Worker
from verify.outputs import parse
from verify.steps import Verification

STACK = "nvidia"
PORTS = {"prefill": 8000, "decode": 8200}
"""Ports of vLLM itself; the routing sidecar has decode's 8000."""
PATIENCE = 300.0
"""Seconds for a state that depends on the start of a vLLM."""
_ENGINE = "VLLM::EngineCor"
"""vLLM's name of its engine's process, cut by the kernel. The engine overwrites its environment."""
_DEPLOYMENT = "/apis/apps/v1/namespaces/llm-d-pd/deployments/ms-pd-llm-d-modelservice-{}"
Object = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """The unchanged stack `nvidia`, with real vLLM in a separate sandbox."""

    home: Home
    api: Api
    said: str
    """Output of `up`."""

    def pod(self, role: str) -> Pod:
        return next(one for one in pods.listed(self.api) if one.role == role and one.state == "Ready")

    def engines(self, role: str) -> list[int]:
        """Process numbers of the engines of the tier's Ready worker: children of its API server."""
        worker, found = self.pod(role).name, []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                name, _, rest = (process / "stat").read_text().partition("(")[2].rpartition(") ")
                parent = Path("/proc", rest.split()[1])
                if name == _ENGINE and f"HOSTNAME={worker}\0".encode() in (parent / "environ").read_bytes():
                    found.append(int(process.name))
        return found

    def deployment(self, role: str) -> Object:
        return self.api.get(_DEPLOYMENT.format(role))

    def replace_template(self, role: str, template: Object) -> None:
        """Replace a tier's pod template; the same one changes nothing."""
        self.api.patch(_DEPLOYMENT.format(role), {"spec": {"template": template}})

    def await_replaced(self, role: str, mark: str) -> None:
        """Wait until all pods of the tier have the annotation `defect: <mark>`; kill other terminating pods."""

        def done() -> bool:
            former = [one for one in pods.listed(self.api) if one.role == role and _mark(one) != mark]
            for one in former:
                if one.state == "Terminating":
                    self.api.delete(one.path, gracePeriodSeconds="0")
            return not former

        until(done, f"{role} is replaced")

    def await_started(self, role: str) -> None:
        """Wait until the tier's only worker is Ready and has the tier's present template."""

        def done() -> bool:
            found = self.deployment(role)
            status, counts = found["status"], ("replicas", "updatedReplicas", "availableReplicas")
            return status["observedGeneration"] == found["metadata"]["generation"] and all(
                status.get(count) == 1 for count in counts
            )

        until(done, f"{role} is Ready")

    def await_ended(self, role: str, mark: str) -> None:
        """Wait until vLLM of the tier's pod with the annotation `defect: <mark>` has ended."""
        until(
            lambda: any(one.restarts for one in pods.listed(self.api) if one.role == role and _mark(one) == mark),
            f"vLLM of {role} ends with {mark}",
        )

    def renew_restarted(self) -> None:
        """Replace workers that were restarted, and wait until both tiers have a Ready one."""
        for pod in pods.listed(self.api):
            if pod.role in PORTS and pod.restarts:
                self.api.delete(pod.path, gracePeriodSeconds="0")
        until(
            lambda: self.pod("prefill").restarts + self.pod("decode").restarts == 0,
            "both tiers are Ready without a restart",
        )

    def counters(self, pod: Pod) -> Worker:
        """Return the present metrics of a worker.

        vLLM writes them before it answers, so they include all answered requests.
        """
        return metrics.worker(self.api.text(f"{pod.path}:{PORTS[pod.role]}/proxy/metrics"))

    @property
    def target(self) -> Target:
        return find_target(self.home, STACK, self.api)

    @property
    def block(self) -> int:
        """Return the bytes of a KV block of 128 tokens, the program's default block size."""
        chosen = choice.read(self.home.root)
        assert chosen
        return chat.block_bytes(Path(chosen.model), 128)

    def ask(self, path: str, body: Object) -> tuple[int, Any]:
        """Send a disaggregated request through the gateway."""
        with self.asked(path, body) as response:
            text = response.read().decode()
        return response.status, json.loads(text) if text.startswith("{") else text

    @contextmanager
    def asked(self, path: str, body: Object) -> Iterator[http.client.HTTPResponse]:
        """Send a request through the gateway; read the answer while the body runs."""
        target = self.target
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=PATIENCE)
        try:
            headers = {"Content-Type": "application/json", **target.headers}
            connection.request("POST", target.path + path, json.dumps({"model": target.model, **body}), headers)
            yield connection.getresponse()
        finally:
            connection.close()

    def stream(self, path: str, body: Object) -> Iterator[Object]:
        """Yield the events of a stream through the gateway, which must be complete."""
        with self.asked(path, {**body, "stream": True, "stream_options": {"include_usage": True}}) as response:
            assert response.status == 200, response.read()
            last = ""
            for line in response:
                text = line.decode().strip()
                if text.startswith("data:"):
                    last = text.removeprefix("data:").strip()
                    if last != "[DONE]":
                        yield json.loads(last)
            assert last == "[DONE]"

    def alone(self, path: str, body: Object) -> Object:
        """Send a request to the prefill worker directly, which computes prompt and answer."""
        model = self.target.model
        return self.api.create(f"{self.pod('prefill').path}:{PORTS['prefill']}/proxy{path}", {"model": model, **body})

    def direct(self, path: str, body: Object, role: str = "prefill") -> tuple[int, Any]:
        """Send a request to vLLM of a tier directly; return status and JSON of any answer."""
        server = ApiServer.connect(kubeconfigs.read(str(self.home.host_kubeconfig)))
        place = f"{self.pod(role).path}:{PORTS[role]}/proxy{path}"
        sent = json.dumps({"model": self.target.model, **body})
        answer = server.urlopen("POST", place, body=sent, headers={"Content-Type": "application/json"})
        return answer.status, json.loads(answer.data)

    def verify(self) -> dict[str, Finding]:
        """Run `verify` with one request; return its findings by step."""
        cluster = Cluster(ApiServer.connect(kubeconfigs.read(str(self.home.host_kubeconfig))))
        deployed = parse(STACK, json.dumps(stack_outputs(self.home)[STACK]))
        real = choice.read(self.home.root)
        assert real
        shape = source.locate("", f"{real.model}/config.json", Path()).shape
        done = Verification(cluster, deployed, lambda _: None, shape=shape)
        done.run(requests=1, seconds=PATIENCE, tcp=True)
        return {one.step: one for one in done.findings}

    def transferred(self, send: Callable[[], object]) -> Worker:
        """Return the growth of decode's counters by the requests in `send`."""
        before = self.counters(self.pod("decode"))
        send()
        after = self.counters(self.pod("decode"))
        grown = {
            name: (getattr(after, name) or 0) - (getattr(before, name) or 0)
            for name in ("transfers", "transferred", "transfer_seconds", "descriptors", "failures", "finished")
        }
        return Worker(**{**vars(after), **grown})


def _mark(pod: Pod) -> object:
    return (pod.object["metadata"].get("annotations") or {}).get("defect")


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until the condition holds. An API server or worker that does not answer yet counts as no."""
    deadline = time.monotonic() + patience
    while True:
        try:
            if condition():
                return
        except (ApiError, StopIteration, OSError):
            pass
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what}"
        time.sleep(0.2)


def sandbox(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the sandbox as `make` does; stdout has the output of both streams."""
    return subprocess.run(
        [sys.executable, "-m", "sandbox", words[0], "--name", home.name, *words[1:]],
        cwd=CHECKOUT,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def chat_tokens(answer: Object) -> list[tuple[str, float]]:
    """The tokens of a chat completion and their log-probabilities."""
    return [(one["token"], one["logprob"]) for one in answer["choices"][0]["logprobs"]["content"]]


def tokens(answer: Object) -> list[tuple[str, float]]:
    """The tokens of a completion and their log-probabilities."""
    logprobs = answer["choices"][0]["logprobs"]
    return list(zip(logprobs["tokens"], logprobs["token_logprobs"], strict=True))


def same(one: list[tuple[str, float]], other: list[tuple[str, float]], tolerance: float = 1e-3) -> None:
    """Assert that tokens are equal, and their log-probabilities within rounding."""
    assert agreeing(one, other, tolerance) == len(one) == len(other)


def agreeing(one: list[tuple[str, float]], other: list[tuple[str, float]], tolerance: float) -> int:
    """Return the number of equal tokens before the first that differ; these must be as probable as each other.

    Asserts that all log-probabilities up to there are equal within `tolerance`.
    """
    for place, ((token, probability), (another, other_probability)) in enumerate(zip(one, other, strict=True)):
        assert abs(probability - other_probability) <= tolerance, (place, one, other)
        if token != another:
            return place
    return len(one)


def text(length: int, seed: str) -> str:
    """Return a prompt of `length` bytes with a unique beginning; the tiny model's tokens are bytes."""
    return (f"{seed}: " + " ".join(f"{seed}{number}" for number in range(length)))[:length]
