"""Known reasons for which vLLM ended or failed a request, found in its log.

Source of the lines: vLLM 0.17.1 with a killed prefill worker, with failed NIXL handshakes and with settings that it
refuses at its start; the code of 0.11.2, 0.18.1, 0.19.1 and 0.32.0.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from verify.cluster import Cluster, Object
from verify.finding import Finding, Unreachable

_LAST_LINES, _RECENT_LINES = "2000", "400"


@dataclass(frozen=True)
class Cause:
    """Why a vLLM process ended, and what to change."""

    pattern: str
    evidence: str
    meaning: str
    remedy: str


_HANDSHAKE = (
    "a NIXL handshake with a prefill worker failed; vLLM 0.11.2 to 0.19 then ends, newer vLLM fails the request only"
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
        r"NIXL_ERR_BACKEND|no active messages transport",
        "NIXL found no transport to other pods",
        "UCX_TLS or UCX_NET_DEVICES leaves no transport that reaches another pod, and vLLM ends at its start",
        "a network transport in serving.ucx.tls (rc, ud, srd or tcp), a device of the pod in serving.ucx.netDevices",
    ),
)
"""Sorted by precision: a log with the first line often has later ones, too."""

_ERROR = re.compile(
    r"^(?:\([^)\n]*\) )?(?:ERROR [^\]\n]*\] )?((?:[\w.]*(?:Error|Exception)|[\w. -]+: error): .+(?:\n  .+)?)", re.M
)
_WRAPPERS = ("EngineDeadError", "Engine core initialization failed", "SystemExit")
_SHOWN = 240


def cause(log: str) -> Cause | None:
    """The cause that the log of an ended vLLM names: a known one, or else its last error."""
    known = next((one for one in CAUSES if re.search(one.pattern, log)), None)
    if known:
        return known
    errors = [" ".join(text.split()) for text in _ERROR.findall(log)]
    if not errors:
        return None
    own = [text for text in errors if not any(word in text for word in _WRAPPERS)]
    last = (own or errors)[-1][:_SHOWN]
    return Cause("", last, "vLLM ends with this error", "the previous log: `kubectl logs --previous`")


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
            continue  # the log is gone or may not be read; another step reports the restart
        if named := cause(log):
            found[name] = named
    return found


def explain(cluster: Cluster, namespace: str, container: str, pods: Iterable[Object], finding: Finding) -> Finding:
    """Add the known cause that a pod's latest log lines name to a failed request.

    vLLM may have ended with the request, so the previous container's log is read, too.
    """
    for pod in pods:
        name = str(pod["metadata"]["name"])
        for previous in ("false", "true"):
            with suppress(Unreachable):
                log = cluster.log(namespace, name, container, previous=previous, tailLines=_RECENT_LINES)
                if (named := cause(log)) in CAUSES:
                    evidence = f"{finding.evidence}; vLLM of {name} logs: {named.evidence}"
                    return replace(finding, evidence=evidence, meaning=named.meaning, remedy=named.remedy)
    return finding
