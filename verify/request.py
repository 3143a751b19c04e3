"""Sends requests through the gateway and reads the streamed answers."""

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from urllib3 import PoolManager, Timeout, disable_warnings
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from access.server import CONNECT_SECONDS
from verify.cluster import READ_SECONDS, Cluster, Reply
from verify.finding import Unreachable
from verify.routing import Endpoint

MAX_TOKENS = 16

MARK = "x-went-into-resp-headers"
"""Header that an EPP adds to each answer, if the gateway shows it the answers
(kubernetes-sigs/gateway-api-inference-extension, pkg/epp/handlers/response.go, v1.1.0 to v1.5.0)."""

REFUSALS = ("inference gateway: ", "inference error: ")
"""First words of an EPP's refusals (same repository: pkg/epp/util/error/error.go up to v1.4.0,
pkg/common/error/error.go in v1.5.0)."""

WITH_KEY = (
    "Requests with an API key cannot go through the API server: open a port-forward "
    '(`eval "$(pulumi stack output gatewayUrl)" &`), and name it: --url http://localhost:8000'
)

disable_warnings(InsecureRequestWarning)


@dataclass(frozen=True)
class Answer:
    """A completed request."""

    status: int
    text: str
    """The generated text; the error's text for a status other than 200."""
    first_token: float
    """Seconds."""
    total: float
    """Seconds."""
    prompt_tokens: int | None
    tokens: int | None
    marked: bool


class GatewayClient:
    """Sends requests to the gateway: to a given URL, else to its Service through the API server, else to its address.

    Requests with an API key never go through the API server, which reads the header Authorization as its own user's and
    removes it (kubernetes/kubernetes v1.34.1 staging/src/k8s.io/apiserver/pkg/endpoints/filters/authentication.go).
    """

    def __init__(
        self, cluster: Cluster, endpoint: Endpoint, seconds: float, *, url: str | None = None, key: str | None = None
    ) -> None:
        self._cluster, self._endpoint, self._seconds = cluster, endpoint, seconds
        self._direct = PoolManager(cert_reqs="CERT_NONE")  # the certificate is not part of the verification
        self._key = {"Authorization": f"Bearer {key}"} if key else {}
        self._service = None if url or key else endpoint.service
        self._base = url or f"{endpoint.scheme}://{endpoint.address}:{endpoint.port}"
        if url:
            self.name = url
        elif self._service:
            self.name = f"service {self._service} port {endpoint.port}, via the API server"
        else:
            self.name = f"{endpoint.address} port {endpoint.port}, directly"

    def models(self) -> Reply:
        """Ask for the list of models. Raises `Unreachable`."""
        return self._send("/v1/models", None)

    def complete(self, model: str, prompt: str) -> Answer:
        """Send one streamed completion. Raises `Unreachable` when no answer comes or it breaks off."""
        return self.ask("/v1/completions", model, {"prompt": prompt})

    def ask(self, path: str, model: str, what: Mapping[str, object]) -> Answer:
        """Send one streamed request with the prompt or the messages in `what`. Raises `Unreachable` as `complete`."""
        body = {
            **what,
            "model": model,
            "max_tokens": MAX_TOKENS,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        start = time.monotonic()
        try:
            reply = self._send(path, body)
            marked = MARK in reply.headers
            if reply.status != 200:
                return Answer(reply.status, reply.text().strip(), 0, time.monotonic() - start, None, None, marked)
            return _read(reply.lines(), start, marked)
        except ValueError as broken:
            raise Unreachable(
                f"the answer is no completion: {broken}", "the gateway's and the decode pod's logs"
            ) from None

    def epp_refuses(self) -> bool:
        """Whether an EPP refuses a request without model and prompt, before any worker sees it. Raises `Unreachable`.

        A worker refuses such a request too, but with JSON.
        """
        reply = self._send("/v1/completions", {})
        return reply.status == 400 and reply.text().startswith(REFUSALS)

    def _send(self, path: str, body: object) -> Reply:
        to = self._endpoint
        path = f"{to.path}{path}"
        if self._service:
            place = f"{'https:' if to.scheme == 'https' else ''}{self._service}:{to.port}"
            return self._cluster.service(
                to.proxies.namespace, place, path, headers=to.headers, body=body, seconds=self._seconds
            )
        try:
            response = self._direct.request(
                "GET" if body is None else "POST",
                f"{self._base}{path}",
                headers={"Content-Type": "application/json", **to.headers, **self._key},
                body=None if body is None else json.dumps(body),
                timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS if body is None else self._seconds),
                retries=False,
                preload_content=False,
            )
        except HTTPError as error:
            reason = str(error).rpartition(">: ")[2]
            raise Unreachable(
                f"{self._base} doesn't answer: {reason}",
                "firewall: can this machine reach it?" + (f" {WITH_KEY}" if self._key else ""),
            ) from None
        return Reply(response.status, response.headers, response)


def prompt(words: int) -> str:
    """Return a prompt that is in no cache: random words of six characters and a blank."""
    return " ".join(secrets.token_hex(3) for _ in range(words))


def _read(lines: Iterator[str], start: float, marked: bool) -> Answer:
    text, first = "", 0.0
    usage: dict[str, int] = {}
    for line in lines:
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        event = json.loads(line.removeprefix("data: "))
        if "error" in event:
            raise Unreachable(f"the answer broke off: {event['error']}", "the decode pod's log")
        choices = event.get("choices") or []
        piece = "".join(each.get("text") or (each.get("delta") or {}).get("content") or "" for each in choices)
        if piece and not first:
            first = time.monotonic() - start
        text += piece
        usage = event.get("usage") or usage
    used, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Answer(200, text, first, time.monotonic() - start, used, made, marked)
