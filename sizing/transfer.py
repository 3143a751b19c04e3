"""What a prompt's KV cache takes on its way from a prefill worker to a decode worker."""

from enum import StrEnum
from typing import NamedTuple

from sizing.cache import element, per_token, state_bytes
from sizing.parts import Kind
from sizing.shape import Shape

START = 0.001
"""Seconds until the first byte: handshake, notification, scheduling of the read."""


class Path(StrEnum):
    """What carries the blocks."""

    RDMA = "rdma"
    TCP = "tcp"


ONE_LINK, MANY_LINKS = 0.85, 0.65
"""Part of the line rate that NIXL reaches over one RDMA link and over several at once (published nixlbench runs: 0.85
over one RoCE link, 0.5 to 0.8 over eight)."""

TCP_RATE = 0.4e9
"""Bytes per second of UCX over TCP between GPUs, whatever the line: 0.25 to 0.55 GB/s were published."""

SLOWER = 2.0
"""Times that a transfer takes longer beside others, while requests are served."""


class Transfer(NamedTuple):
    """The transfer of one prompt."""

    bytes: float
    seconds: float
    """Alone on the fabric; in serving up to `SLOWER` times as long."""
    links: int
    rate: float
    """Bytes per second that the links carry together."""

    @property
    def worst(self) -> float:
        """Seconds beside other transfers."""
        return self.seconds * SLOWER


def prompt_bytes(shape: Shape, tokens: int, ranks: int, dtype: str = "auto") -> float:
    """Bytes that all ranks of a prefill worker hold of a prompt, copies of KV heads included.

    Of a latent cache every rank has the same; one copy is enough, and decode ranks read from one.
    """
    size, total = element(dtype, shape), 0.0
    for each in shape.layers:
        if each.kind is Kind.LINEAR:
            total += each.count * state_bytes(each, ranks) * ranks
            continue
        seen = min(tokens, each.window) if each.kind is Kind.SLIDING else tokens
        copies = 1 if each.kind is Kind.LATENT else ranks
        total += each.count * per_token(each, size, ranks, dtype) * seen * copies
    return total


def transfer(
    shape: Shape, tokens: int, ranks: tuple[int, int], path: Path, *, gbit: float = 400, dtype: str = "auto"
) -> Transfer:
    """One prompt's blocks from a prefill worker to a decode worker of so many ranks; `gbit`: of one adapter."""
    size, links = prompt_bytes(shape, tokens, ranks[0], dtype), min(ranks)
    if path is Path.TCP:
        rate = TCP_RATE * links
    else:
        rate = links * gbit / 8 * 1e9 * (ONE_LINK if links == 1 else MANY_LINKS)
    return Transfer(size, START + size / rate, links, rate)
