"""Clients that send requests continuously, and the result of every request."""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


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
