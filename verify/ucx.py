"""What UCX says about the way that KV blocks take: `UCX_PROTO_INFO=y` prints tables, `UCX_LOG_LEVEL=info` lines.

Source of the formats: UCX 1.15 to 1.20, `proto_debug.c` and `ucp_worker.c`, as shown in public issues of openucx/ucx:
a table per endpoint and operation, and `ucp_context_0 inter-node cfg#2 rma(rc_mlx5/mlx5_0:1) ka(tcp/eth0)`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LANES = re.compile(r"\b(?:inter|intra)-node cfg#\d+\s+((?:\w+\([^)]*\)\s*)+)")
_LANE = re.compile(r"(\w+)\(([^)]*)\)")
_CARRIES_DATA = re.compile(r"rma|rma_bw|rma_am|am_bw|tag|am")
"""Lanes that carry blocks; `ka` (keep-alive), `amo` (atomics) and `cm` (connection) do not, and may well be TCP."""
_HEADING = re.compile(r"\|\s*\S*\s*(self|inter-node|intra-node) cfg#\d+\s*\|\s*(.*?)\s*\|?\s*$")
_ROW = re.compile(r"\|\s*(\d+\S*)\.\.(\S+)\s*\|.*\|\s*(.+?)\s*\|\s*$")
_MOVES_BLOCKS = re.compile(r"remote memory (read|write)")
"""NIXL reads (get) or writes (put) remote memory; active messages are its notifications only."""
_TRANSPORT = re.compile(r"\b([a-z]\w*)/[\w.\-]+(?::\d+)?")
_RDMA = re.compile(r"(rc|dc|ud|srd|gga)(_\w+)?")


@dataclass(frozen=True)
class Transports:
    """Transports that carry data between this pod and others, by what they are."""

    rdma: frozenset[str]
    tcp: frozenset[str]
    local: frozenset[str]
    """Within one node: shared memory, GPU to GPU."""

    @property
    def seen(self) -> frozenset[str]:
        """All of them; empty when the log shows none."""
        return self.rdma | self.tcp | self.local


def transports(log: str) -> Transports:
    """Read a container's log. Tables count where there are any: they say what big blocks really take."""
    lines = log.splitlines()
    found = set(_from_tables(lines)) or set(_from_lanes(lines))
    tcp = {one for one in found if one.startswith("tcp/")}
    rdma = {one for one in found if _RDMA.fullmatch(one.split("/")[0])}
    return Transports(frozenset(rdma), frozenset(tcp), frozenset(found - tcp - rdma))


def _from_tables(lines: Iterable[str]) -> Iterable[str]:
    """Take the last row of each table about remote memory: the one for big blocks, its range ends at `inf`."""
    about_blocks = False
    for line in lines:
        heading = _HEADING.search(line)
        if heading:
            about_blocks = heading[1] != "self" and bool(_MOVES_BLOCKS.search(heading[2]))
        elif about_blocks and (row := _ROW.search(line)) and row[2] == "inf":
            yield from _named(row[3])


def _from_lanes(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        match = _LANES.search(line)
        if match:
            lanes = [(kind, text) for kind, text in _LANE.findall(match[1]) if _CARRIES_DATA.fullmatch(kind)]
            remote = [text for kind, text in lanes if kind.startswith("rma")] or [text for _, text in lanes]
            for text in remote:
                yield from _named(text)


def _named(text: str) -> Iterable[str]:
    return (match[0] for match in _TRANSPORT.finditer(text))
