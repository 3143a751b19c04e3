"""Sends a prompt to the deployed stack, as a client would, and shows the answer, its path and its KV transfer."""

import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from urllib3 import BaseHTTPResponse, PoolManager, disable_warnings
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from sandbox.client import pods, route
from sandbox.client.pods import Pod
from sandbox.client.route import NotServed, Target, find_target
from sandbox.cluster.api import Api, ApiError, connect
from sandbox.engine.backend import stack_outputs
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.modelserver import choice
from sandbox.network import istio
from sandbox.progress import Progress
from verify import metrics
from verify.metrics import Worker
from verify.transfers import flags_of

_COUNTING_SECONDS = 10.0
"""Seconds to wait: vLLM counts a transfer one step later, and writes counters when the request has ended."""
_BLOCK_SIZE = 128
"""Tokens per block if the pod sets none: vLLM's default on a CPU."""


def counted(api: Api) -> dict[str, Worker]:
    """Return the counters of every decode worker that answers, by its pod."""
    return {pod.name: worker for pod, worker in _decoding(api)}


def _decoding(api: Api) -> Iterator[tuple[Pod, Worker]]:
    for pod in pods.listed(api):
        port = pod.port("vllm")
        if pod.role == "decode" and port is not None:
            with suppress(ApiError):
                yield pod, metrics.worker(api.text(f"{pod.path}:{port}/proxy/metrics"))


def transferred(api: Api, before: Mapping[str, Worker], model: Path) -> str:
    """Return a line about the transfers since `before`, once counted; `model` is the folder of the model."""
    deadline = time.monotonic() + _COUNTING_SECONDS
    while True:
        for pod, now in _decoding(api):
            then = before.get(pod.name)
            count, size, seconds, pieces = (
                (getattr(now, what) or 0) - (getattr(then, what, None) or 0)
                for what in ("transfers", "transferred", "transfer_seconds", "descriptors")
            )
            if count:
                blocks = _count(
                    size / block_bytes(model, int(flags_of(pod.object).get("--block-size", _BLOCK_SIZE))), "block"
                )
                return (
                    f"KV transfer over NIXL to {pod.name}: {size:,.0f} bytes, {blocks} in "
                    f"{_count(pieces, 'descriptor')}, {_count(count, 'transfer')} in {seconds * 1000:.1f} ms."
                )
        if time.monotonic() > deadline:
            return "No KV block came over NIXL: decode had them all, or computed them itself (make verify)."
        time.sleep(0.2)


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"


def block_bytes(model: Path, block_size: int) -> int:
    """Return the bytes of one KV block of `block_size` tokens: keys and values of all layers, two bytes each."""
    config = json.loads((model / "config.json").read_text())
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or config["hidden_size"] // heads
    return int(2 * config["num_hidden_layers"] * config.get("num_key_value_heads", heads) * head * block_size * 2)


def differences(home: Home) -> Iterator[str]:
    """Yield the substitutions between declared and running vLLM, from the pods' logs."""
    if not choice.read(home.root):
        return
    with connect(home.host_kubeconfig) as api:
        workers = [pod for pod in pods.listed(api) if pod.role in ("prefill", "decode") and pod.state == "Ready"]
        for pod in {pod.role: pod for pod in workers}.values():
            yield f"\nvLLM of {pod.name} is as its pod declares, except (declared → used):"
            log = api.text(f"{pod.path}/log", container="vllm", limitBytes="20000")
            yield from (
                f"  {text.removeprefix('sandbox: ')}" for text in log.splitlines() if text.startswith("sandbox: ")
            )


disable_warnings(InsecureRequestWarning)
_SILENCE_SECONDS = 60.0
"""The simulator answers in milliseconds; a queue behind a load test may take longer."""


class Refused(SandboxError):
    """The stack answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status} {text.strip()[:500]}")
        self.status = status


@dataclass(frozen=True)
class Answer:
    """A completed answer."""

    first_token: float
    """Seconds after the request was sent."""
    total: float
    """Seconds."""
    tokens: int
    """Generated tokens."""


def serves(target: Target) -> bool:
    """Whether the stack's gateway reaches a worker now: it returns the list of models."""
    try:
        return _sent("GET", target, "/models").status == 200
    except HTTPError:
        return False


def stream(target: Target, prompt: str, max_tokens: int, identity: str, hear: Callable[[str], object]) -> Answer:
    """Send a request; call `hear` with each piece of the answer. `identity` marks the request in access logs.

    Raises `Refused` for an error status and `SandboxError` when nothing answers or the answer breaks off.
    """
    body = {
        "model": target.model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "ignore_eos": True,  # the simulator stops at random, often after two words
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    start = time.monotonic()
    try:
        response = _sent(
            "POST", target, "/chat/completions", body, dict.fromkeys((istio.MARK, "x-request-id"), identity)
        )
        if response.status != 200:
            raise Refused(response.status, response.data.decode(errors="replace"))
        return _heard(response, start, hear)
    except HTTPError as error:
        raise SandboxError(f"{target.url} broke off: {error}") from None


def _sent(
    method: str, target: Target, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> BaseHTTPResponse:
    """Send a request, without a check of the certificate, which has another host name."""
    headers = {"Connection": "close", **(headers or {}), **target.headers, **target.authorization}
    options: dict[str, Any] = {"timeout": _SILENCE_SECONDS, "retries": False, "preload_content": False}
    with PoolManager(cert_reqs="CERT_NONE", assert_hostname=False) as pool:
        return pool.request(method, f"{target.url}{path}", headers=headers, json=body, **options)


def _heard(response: BaseHTTPResponse, start: float, hear: Callable[[str], object]) -> Answer:
    first, pieces, tokens, whole = 0.0, 0, None, False
    for line in response:
        text = line.decode(errors="replace").strip()
        event = text.removeprefix("data:").strip()
        whole = whole or event == "[DONE]"
        if not text.startswith("data:") or event == "[DONE]":
            continue
        content = json.loads(event)
        tokens = (content.get("usage") or {}).get("completion_tokens", tokens)
        for one in content.get("choices") or []:
            piece = one.get("delta", {}).get("content")
            if piece:
                first = first or time.monotonic() - start
                pieces += 1
                hear(piece)
    if not whole:
        raise HTTPError("the answer ended in the middle")
    return Answer(first, time.monotonic() - start, pieces if tokens is None else tokens)


GREETING = "In one paragraph: why are prompts and answers of a language model computed on different GPUs?"
MAX_TOKENS = 64
_PATIENCE_SECONDS = 60.0
_REAL_PATIENCE_SECONDS = 600.0
"""With real vLLM: seconds for its start when it replaces the simulator in a deployed stack."""
_LOOK_AT = {
    400: "decode",
    403: "decode",
    404: "gateway",
    429: "epp",
    500: "gateway",
    502: "decode",
    503: "decode",
    504: "decode",
}
"""POD= of the log that explains an error status: simulator and sidecar, picker, or gateway."""
_REAL = (
    f"vLLM {choice.VERSION} and NIXL\nare real, on the CPU with a tiny random model: the text means nothing, and the "
    "times say nothing of a GPU."
)
_SIMULATED = (
    "vLLM is simulated on the CPU:\nrandom text, and times that say nothing of a GPU; gateway, picker and sidecars are "
    "the real ones."
)


def ask(home: Home, stack: str, report: Progress, prompt: str = GREETING, out: TextIO | None = None) -> int:
    """Send one chat completion through the stack's gateway; print the answer as it arrives, then its path.

    There is no second attempt, because a Ready stack answers. Returns 0, or 1 after an error status. Raises
    `SandboxError` when there is no stack to ask or the answer breaks off.
    """
    out = out or sys.stdout
    with connect(home.host_kubeconfig) as api:
        target = find_target(home, stack, api)
        report.say(f"\nPOST {target.url}/chat/completions  {prompt!r}\n")
        identity = str(uuid.uuid4())
        real = choice.read(home.root)
        before = counted(api) if real else {}
        try:
            answer = stream(
                target, prompt, MAX_TOKENS, identity, lambda piece: print(piece, end="", file=out, flush=True)
            )
        except Refused as refused:
            report.say(
                f"{refused}\nThe stack is deployed but refuses requests. Look at: "
                f"make logs POD={_LOOK_AT.get(refused.status, 'gateway')}"
            )
            return 1
        except SandboxError as broken:
            raise SandboxError(f"{broken}\nLook at: make logs POD=gateway, make logs POD=decode") from None
        print(file=out, flush=True)
        _explain(api, target, answer, identity, report, server=_REAL if real else _SIMULATED)
        if real:
            report.say(transferred(api, before, Path(real.model)))
    return 0


def await_serving(home: Home, stack: str, report: Progress) -> None:
    """Wait until all workers of the stack are Ready and a request reaches one of them through the gateway.

    A Gateway is Programmed before its proxy is Ready, and a Ready proxy may not have its routes yet. Prefill workers
    answer this request, too, so it proves nothing about decode workers after a new choice of the model server. Raises
    `SandboxError` after a minute (ten minutes with real vLLM), `NotServed` if the Gateway's controller is missing.
    """
    patience = _REAL_PATIENCE_SECONDS if choice.read(home.root) else _PATIENCE_SECONDS
    deadline = time.monotonic() + patience
    with connect(home.host_kubeconfig) as api, report.step("waiting for the gateway to serve"):
        while True:
            try:
                if serves(find_target(home, stack, api)) and _workers_ready(home, stack, api):
                    return
            except NotServed:
                raise
            except SandboxError:  # its Service or the port of this machine does not exist yet
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"the gateway of stack {stack} does not answer /v1/models within {patience:.0f} s, or a worker is "
                    "not Ready. Look at: make status, make logs POD=gateway"
                )
            time.sleep(0.05)


def _workers_ready(home: Home, stack: str, api: Api) -> bool:
    workers = [
        one for one in pods.listed(api, stack_outputs(home)[stack]["namespace"]) if one.role in ("prefill", "decode")
    ]
    return all(one.state in ("Ready", "Terminating") for one in workers)


def _explain(api: Api, target: Target, answer: Answer, identity: str, report: Progress, *, server: str) -> None:
    listed = pods.listed(api)
    found = route.find_access(api, listed, target, identity)
    report.say("")
    if found:
        for line in route.path_lines(*found, listed):
            report.say(line)
    else:
        report.say("The path is unknown: the gateway's access log has no line for this request (make logs POD=gateway)")
    speed = answer.tokens / answer.total if answer.total else 0
    first, total = (f"{seconds * 1000:.0f} ms" for seconds in (answer.first_token, answer.total))
    report.say(
        f"{answer.tokens} tokens: the first after {first}, all after {total}, {speed:.0f} tokens/s. {server}\n"
        f"Any OpenAI client works with base URL {target.url}{_besides(target)} (model {target.model})."
    )


def _besides(target: Target) -> str:
    """Return the headers that the stack's route requires, as a text."""
    return "".join(f" and header {name}: {value}" for name, value in target.headers.items())
