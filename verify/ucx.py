"""Reads the transports of KV blocks from UCX's output: tables (`UCX_PROTO_INFO=y`) or lines (`UCX_LOG_LEVEL=info`).

Source of the formats: UCX 1.15 to 1.20, `proto_debug.c` and `ucp_worker.c`, as shown in public issues of openucx/ucx:
a table per endpoint and operation, and `ucp_context_0 inter-node cfg#2 rma(rc_mlx5/mlx5_0:1) ka(tcp/eth0)`.

Not every line is about another pod. NIXL has several UCX workers in one process. At the start they connect to each
other and print `intra-node` tables and lines. So evidence is: `inter-node`; a table of reads (`ucp_get`), because
vLLM's NIXL connector fetches blocks by reads; and an `intra-node` configuration that appears after vLLM's first
handshake with a peer.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_HANDSHAKE = "NIXL compatibility check passed"
"""vLLM's line for a handshake with a peer (`nixl_connector.py`, vLLM 0.17.1)."""
_LANES = re.compile(r"((inter|intra)-node cfg#\d+)\s+((?:\w+\([^)]*\)\s*)+)")
_LANE = re.compile(r"(\w+)\(([^)]*)\)")
_CARRIES_DATA = re.compile(r"rma|rma_bw|rma_am|am_bw|tag|am")
"""Lanes that carry blocks. `ka` (keep-alive), `amo` (atomics) and `cm` (connection) do not, and may use TCP."""
_HEADING = re.compile(r"\|\s*\S*\s*((self|inter-node|intra-node) cfg#\d+)\s*\|\s*(.*?)\s*\|?\s*$")
_ROW = re.compile(r"\|\s*(\d+)([KMGT]?)\.\.(\d+|inf)([KMGT]?)\s*\|.*\|\s*(.+?)\s*\|\s*$")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_BIG = 2**40
"""Bytes, more than any transfer. The row with this size is the one for big blocks. It is not always the last row: UCX
may print a range such as `18446744073709551591..inf` behind it."""
_MOVES_BLOCKS = re.compile(r"remote memory (read|write)")
"""NIXL reads (get) or writes (put) remote memory. Active messages only carry its notifications."""
_READS = re.compile(r"remote memory read by ucp_get")
_TRANSPORT = re.compile(r"\b([a-z]\w*)/[\w.\-]+(?::\d+)?")
_RDMA = re.compile(r"(rc|dc|ud|srd|gga)(_\w+)?")


@dataclass(frozen=True)
class Transports:
    """Transports that carry data between this pod and others."""

    rdma: frozenset[str]
    tcp: frozenset[str]
    local: frozenset[str]
    """Within one node: shared memory, GPU to GPU."""

    @property
    def seen(self) -> frozenset[str]:
        """All transports; empty when the log shows none."""
        return self.rdma | self.tcp | self.local


def transports(*logs: str) -> Transports:
    """Read containers' logs, each from its start. Tables win over lines: they show the transport of big blocks."""
    found: set[str] = set()
    for log in logs:
        lines = log.splitlines()
        found |= set(_from_tables(lines)) or set(_from_lanes(lines))
    tcp = {one for one in found if one.startswith("tcp/")}
    rdma = {one for one in found if _RDMA.fullmatch(one.split("/")[0])}
    return Transports(frozenset(rdma), frozenset(tcp), frozenset(found - tcp - rdma))


class _Peers:
    """Configurations that are connections to other pods, as far as the log has been read."""

    def __init__(self) -> None:
        self._met = False
        self._own: set[str] = set()

    def read(self, line: str) -> None:
        self._met = self._met or _HANDSHAKE in line

    def has(self, configuration: str) -> bool:
        """Whether a configuration such as `intra-node cfg#1` is a connection to another pod."""
        if configuration.startswith("intra-node") and not self._met:
            self._own.add(configuration)
        return not configuration.startswith("self") and configuration not in self._own


def _from_tables(lines: Iterable[str]) -> Iterator[str]:
    """Yield the transports in the row for big blocks of each table about remote memory."""
    peers, counts = _Peers(), False
    for line in lines:
        peers.read(line)
        if heading := _HEADING.search(line):
            configuration, scope, operation = heading.groups()
            peer = peers.has(configuration) or (scope != "self" and bool(_READS.search(operation)))
            counts = peer and bool(_MOVES_BLOCKS.search(operation))
        elif counts and (row := _ROW.search(line)) and _is_big(row):
            yield from _named(row[5])


def _is_big(row: re.Match[str]) -> bool:
    first = int(row[1]) * _UNITS[row[2]]
    return first < _BIG and (row[3] == "inf" or int(row[3]) * _UNITS[row[4]] >= _BIG)


def _from_lanes(lines: Iterable[str]) -> Iterator[str]:
    peers = _Peers()
    for line in lines:
        peers.read(line)
        match = _LANES.search(line)
        if match and peers.has(match[1]):
            lanes = [(kind, text) for kind, text in _LANE.findall(match[3]) if _CARRIES_DATA.fullmatch(kind)]
            remote = [text for kind, text in lanes if kind.startswith("rma")] or [text for _, text in lanes]
            for text in remote:
                yield from _named(text)


def _named(text: str) -> Iterator[str]:
    return (match[0] for match in _TRANSPORT.finditer(text))
