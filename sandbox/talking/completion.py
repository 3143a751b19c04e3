"""One streamed chat completion, over plain HTTP."""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection

from sandbox.errors import SandboxError
from sandbox.gateways import accesslog
from sandbox.talking.target import Target

_SILENCE_SECONDS = 60
"""The simulator answers in milliseconds; a queue behind a load test may take longer."""


class Refused(SandboxError):
    """The stack answered, but with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status} {text.strip()[:500]}")
        self.status = status


@dataclass(frozen=True)
class Answer:
    """What came back."""

    first_token: float
    """Seconds after the request was sent."""
    total: float
    """Seconds."""
    tokens: int
    """Generated."""


def serves(target: Target) -> bool:
    """Whether the stack's gateway leads to a worker at this moment: it answers the list of models."""
    connection = _connection(target)
    try:
        connection.request("GET", f"{target.path}/v1/models", headers=target.headers)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def stream(target: Target, prompt: str, max_tokens: int, identity: str, hear: Callable[[str], object]) -> Answer:
    """Ask, and let `hear` have every piece of the answer as it arrives; `identity` marks the request in access logs.

    Raises `Refused` for an error status and `SandboxError` when nothing answers or the answer breaks off.
    """
    body = {
        "model": target.model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "ignore_eos": True,  # the simulator ends its random words at random, often after two
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    connection = _connection(target)
    marks = dict.fromkeys((accesslog.MARK, "x-request-id"), identity)
    headers = {"Content-Type": "application/json", **marks, **target.headers}
    start = time.monotonic()
    try:
        connection.request("POST", f"{target.path}/v1/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status != 200:
            raise Refused(response.status, response.read().decode(errors="replace"))
        return _heard(response, start, hear)
    except (OSError, HTTPException) as error:
        raise SandboxError(f"{target.url} broke off: {error or type(error).__name__}") from None
    finally:
        connection.close()


def _connection(target: Target) -> HTTPConnection:
    """To the gateway's port; its certificate is for another name than this machine's, if for any."""
    if target.scheme == "http":
        return HTTPConnection("127.0.0.1", target.port, timeout=_SILENCE_SECONDS)
    unverified = ssl._create_unverified_context()
    return HTTPSConnection("127.0.0.1", target.port, timeout=_SILENCE_SECONDS, context=unverified)


def _heard(response: HTTPResponse, start: float, hear: Callable[[str], object]) -> Answer:
    first, pieces, tokens, whole = 0.0, 0, None, False
    for event in _events(response):
        whole = whole or event == "[DONE]"
        if event == "[DONE]":
            continue
        content = json.loads(event)
        tokens = (content.get("usage") or {}).get("completion_tokens", tokens)
        for choice in content.get("choices") or []:
            piece = choice.get("delta", {}).get("content")
            if piece:
                first = first or time.monotonic() - start
                pieces += 1
                hear(piece)
    if not whole:
        raise HTTPException("the answer ended in the middle")
    return Answer(first, time.monotonic() - start, pieces if tokens is None else tokens)


def _events(response: HTTPResponse) -> Iterator[str]:
    for line in response:
        text = line.decode(errors="replace").strip()
        if text.startswith("data:"):
            yield text.removeprefix("data:").strip()
