"""Why vLLM ended: what the log of the container before the restart says.

Source of the lines: vLLM 0.17.1 with a killed prefill worker and with failed NIXL handshakes; the code of 0.11.2,
0.18.1, 0.19.1 and 0.32.0.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from verify.cluster import Cluster, Object
from verify.finding import Unreachable

_LAST_LINES = "2000"


@dataclass(frozen=True)
class Cause:
    """Why a vLLM process ended, and what to change."""

    pattern: str
    """A regular expression of the log."""
    evidence: str
    meaning: str
    remedy: str


_HANDSHAKE = (
    "a NIXL handshake with a prefill worker failed; vLLM 0.11.2 to 0.19 then ends, vLLM 0.32 fails the request only"
)

CAUSES = (
    Cause(
        r"NIXL compatibility hash mismatch",
        "NIXL compatibility hash mismatch",
        _HANDSHAKE,
        "both tiers need the same vLLM (image), model path, dtype, --kv-cache-dtype and attention backend",
    ),
    Cause(
        r"[Bb]lock size \d+ is not divisible by remote block size \d+",
        "the tiers' block sizes differ",
        _HANDSHAKE,
        "one --block-size for both tiers: serving.model.blockSize",
    ),
    Cause(
        r"NIXL transfer failure: handshake_failed|in get_finished\b(?s:.*?)KeyError: '[0-9a-f]{8}-[0-9a-f-]{27}",
        "NIXL handshake failed",
        _HANDSHAKE,
        "decode must reach the nixl port of prefill (serving.ports.nixl), and both tiers must have the same vLLM, "
        "model path, dtype, KV cache dtype, attention backend and block size",
    ),
    Cause(
        r"Counters can only be incremented by non-negative amounts",
        "Counters can only be incremented by non-negative amounts",
        "a KV transfer failed, as when a prefill worker is killed; vLLM 0.17 and 0.18 then end instead of failing the "
        "request",
        "the previous logs of the prefill workers say why they ended; no setting of vLLM 0.17 avoids it",
    ),
    Cause(
        r"EngineDeadError",
        "EngineDeadError",
        "vLLM's engine process ended, and the server with it",
        "the first error in the previous log: `kubectl logs --previous`",
    ),
)
"""The more precise ones first: a log with the first has the others, too."""


def cause(log: str) -> Cause | None:
    """The cause that the log of an ended vLLM names."""
    return next((one for one in CAUSES if re.search(one.pattern, log)), None)


def read(cluster: Cluster, namespace: str, container: str, pods: Iterable[Object]) -> dict[str, Cause]:
    """The causes of the last restarts, by pod, where a previous log can be read and names one."""
    found: dict[str, Cause] = {}
    for pod in pods:
        name = str(pod["metadata"]["name"])
        statuses = pod["status"].get("containerStatuses") or []
        if not any(one["name"] == container and one.get("restartCount") for one in statuses):
            continue
        try:
            log = cluster.log(namespace, name, container, previous="true", tailLines=_LAST_LINES)
        except Unreachable:
            continue  # the container's log is gone, or nobody may read it: the restart itself is reported
        if named := cause(log):
            found[name] = named
    return found
