"""KV transfers over NIXL, from the counters of vLLM's decode workers."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from sandbox.cluster.api import Api, ApiError, connect
from sandbox.home import Home
from sandbox.modelserver import choice
from sandbox.talking import pods
from sandbox.talking.pods import Pod
from verify import metrics
from verify.metrics import Worker

_PATIENCE_SECONDS = 10.0
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


def line(api: Api, before: Mapping[str, Worker], model: Path) -> str:
    """Return a line about the transfers since `before`, once counted; `model` is the folder of the model."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        for pod, now in _decoding(api):
            then = before.get(pod.name)
            count, size, seconds, pieces = (
                (getattr(now, what) or 0) - (getattr(then, what, None) or 0)
                for what in ("transfers", "transferred", "transfer_seconds", "descriptors")
            )
            if count:
                blocks = _count(size / block_bytes(model, _block_size(pod)), "block")
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


def _block_size(pod: Pod) -> int:
    words = [word for one in pod.containers for word in one.get("args") or []]
    given = [word.partition("=")[2] for word in words if word.startswith("--block-size=")]
    return int(given[-1]) if given else _BLOCK_SIZE
