"""Requests through a stack's gateway, their legs by the workers' counters, and clients that send continuously."""

import http.client
import itertools
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sandbox.client.chat import await_serving
from sandbox.cluster.api import Api, connect
from sandbox.engine.backend import stack_outputs
from sandbox.network import gateways
from sandbox.progress import Progress
from tests.sandbox.running import soon
from tests.sandbox.stack.deployment import Deployment

_SERVED = re.compile(r"^vllm:request_success_total\{.*\} ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Legs:
    """Number of answered requests by worker pod."""

    prefill: Counter[str]
    decode: Counter[str]

    @property
    def totals(self) -> tuple[int, int]:
        """Sums of prefill legs and of decode legs."""
        return self.prefill.total(), self.decode.total()

    def __sub__(self, before: "Legs") -> "Legs":
        return Legs(self.prefill - before.prefill, self.decode - before.decode)


@dataclass(frozen=True)
class Traffic:
    """A stack that serves."""

    stack: Deployment
    api: Api
    namespace: str = "llm-d-pd"
    postfix: str = "pd"

    @property
    def port(self) -> int:
        """The port of this machine that leads to the stack's gateway."""
        home, key = self.stack.cluster.home.root, (self.namespace, f"infra-{self.postfix}-inference-gateway")
        assert soon(lambda: key in gateways.assigned_ports(home))
        return gateways.assigned_ports(home)[key]

    @property
    def model(self) -> str:
        return str(stack_outputs(self.stack.cluster.home)[self.stack.stack]["model"])

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Send one request on a new connection."""
        return send(self.port, method, path, body)

    def complete(self, prompt: str, model: str, max_tokens: int = 4) -> Answer:
        answer = self.ask("POST", "/v1/completions", {"model": model, "prompt": prompt, "max_tokens": max_tokens})
        assert answer.status == 200, answer
        return answer

    def legs(self) -> Legs:
        """Read every worker's number of answered requests."""
        return Legs(self._served("prefill", 8000), self._served("decode", 8200))

    def counted(self, send: Callable[[], object], decode: int = 1, within: float = 60) -> Legs:
        """Return the legs of the requests in `send`, after `decode` decode legs or `within` seconds."""
        before = self._settled()
        send()
        soon(lambda: (self.legs() - before).totals[1] >= decode, within)
        return self._settled() - before

    def disaggregated(self) -> bool:
        """Whether one request has both legs. With FailOpen, a gateway answers before it has found the EPP."""
        body = {"model": self.model, "prompt": "anybody?", "max_tokens": 2}
        return self.counted(lambda: self.ask("POST", "/v1/completions", body), within=2).totals == (1, 1)

    def _settled(self) -> Legs:
        """Return the counts after earlier requests; workers count a request after its answer."""
        last = self.legs()
        while (now := self.legs()) != last:
            last = now
        return now

    def _served(self, role: str, port: int) -> Counter[str]:
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        selector = f"llm-d.ai/role={role},llm-d.ai/instance={self.postfix}"
        staying = [
            pod["metadata"]
            for pod in self.api.get(pods, labelSelector=selector)["items"]
            if "deletionTimestamp" not in pod["metadata"]
        ]
        names = [metadata["name"] for metadata in staying]
        return Counter({name: self._requests(f"{pods}/{name}:{port}/proxy/metrics") for name in names})

    def _requests(self, path: str) -> int:
        return sum(int(float(number)) for number in _SERVED.findall(self.api.text(path)))


def send(
    port: int, method: str, path: str, body: object = None, headers: Mapping[str, str] = MappingProxyType({})
) -> Answer:
    """Send one request to a port of this machine, on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        answered = {key.lower(): value for key, value in response.getheaders()}
        return Answer(response.status, answered, response.read())
    finally:
        connection.close()


@contextmanager
def traffic(stack: Deployment, namespace: str = "llm-d-pd", postfix: str = "pd") -> Iterator[Traffic]:
    """Wait until a deployed stack serves; a Gateway is Programmed before its proxy serves."""
    await_serving(stack.cluster.home, stack.stack, Progress())
    with connect(stack.cluster.host_kubeconfig) as api:
        yield Traffic(stack, api, namespace, postfix)


def words(count: int, first: str) -> str:
    """Return a prompt of this many words with a unique beginning."""
    return " ".join([first, *(f"word{number}" for number in range(count - 1))])


@dataclass(frozen=True)
class Request:
    """One request; times are of `time.monotonic`."""

    begun: float
    ended: float
    streamed: bool
    trouble: str
    """The failure; empty after a complete answer."""


@dataclass
class Load:
    """`clients` that send one request after another until the stop; every second one streams a long answer."""

    port: int
    model: str
    clients: int
    tokens: int
    """Tokens of a streamed answer."""
    requests: list[Request] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests while the body runs; then let every request end."""
        threads = [threading.Thread(target=self._client, args=(number,)) for number in range(self.clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def lost(self, since: float, until: float) -> list[Request]:
        """Requests in this time that did not get a complete answer."""
        return [one for one in self.during(since, until) if one.trouble]

    def during(self, since: float, until: float) -> list[Request]:
        """Requests that were in progress in this time."""
        return [one for one in self.requests if one.begun < until and one.ended > since]

    def _client(self, number: int) -> None:
        for count in itertools.count():
            if self._stop.is_set():
                return
            streamed = (number + count) % 2 == 0
            begun = time.monotonic()
            trouble = self._ask(f"client {number} asks for the {count}th time at {begun}", streamed)
            self.requests.append(Request(begun, time.monotonic(), streamed, trouble))
            if trouble:
                self._stop.wait(0.05)  # no busy loop after failures

    def _ask(self, prompt: str, streamed: bool) -> str:
        tokens = self.tokens if streamed else 2
        body = {"model": self.model, "prompt": prompt, "stream": streamed, "max_tokens": tokens, "ignore_eos": True}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            connection.close()
        if response.status != 200:
            return f"HTTP {response.status} {text[:100]!r}"
        if streamed and not text.rstrip().endswith(b"data: [DONE]"):
            return f"the stream ended after {len(text)} bytes"
        return ""
