"""Finds silent fallbacks in logs: the sidecar to decode only, UCX to TCP."""

import re
from collections.abc import Iterator

from verify import ucx
from verify.cluster import Cluster, Object
from verify.finding import Finding, Unreachable, failed, ok, unseen, warning
from verify.pods import name
from verify.tiers import VLLM, Tier, containers, is_gpu, limits

_RECENT_LINES = "5000"
_MOST_LOG = str(16 * 1024 * 1024)
"""Bytes. UCX logs its transports when a pod first connects to another, which may be long ago."""
_FALLBACK = re.compile(r"fall(?:ing)?[ -]?back", re.IGNORECASE)
_HUNG_UP = "context canceled"
_PROXY_ERROR = "http: proxy error"
_BAD_GATEWAY = re.compile(r"request failed\b.*\b502\b")
_QUIET_LEVELS = {"warn", "error", "dpanic", "panic", "fatal"}


def judge_sidecar(cluster: Cluster, namespace: str, decode: Tier) -> Finding:
    """Report recent fallbacks of the routing sidecars to decode only."""
    step = "sidecar"
    lines: list[str] = []
    for pod in decode.ready:
        sidecar = next((one for one in containers(pod) if one["name"] != VLLM), None)
        if sidecar is None:
            return failed(
                step,
                f"{name(pod)} has no sidecar",
                "it never asks a prefill pod",
                "`pulumi refresh`, `pulumi up`",
            )
        if level := _quiet(sidecar):
            return unseen(step, f"it logs {level} only", "serving.decode.sidecar.logLevel: info")
        try:
            log = cluster.log(namespace, name(pod), sidecar["name"], tailLines=_RECENT_LINES)
        except Unreachable as refused:
            return unseen(step, f"its log can't be read: {refused}", refused.remedy)
        lines += log.splitlines()
    return sidecar_said(lines)


def sidecar_said(lines: list[str]) -> Finding:
    """Report the fallbacks in sidecars' log lines. A client that hung up is no failed prefill worker."""
    step = "sidecar"
    fallbacks = list(_fallbacks(lines))
    if fallbacks:
        return warning(
            step,
            f"{len(fallbacks)} requests fell back to decode only; the last: {fallbacks[-1][:160]}",
            "a prefill worker failed, and decode workers computed these prompts themselves",
            "the line before each in the sidecar's log names the prefill worker and its error",
        )
    return ok(step, f"no fallback to decode only in the last {len(lines)} lines of their logs")


def _fallbacks(lines: list[str]) -> Iterator[str]:
    """Yield fallback lines, except after a client hung up: `context canceled`, `request failed` with 502, the fallback.

    These three lines of sidecar v0.7.1 share no request identifier, so only their order connects them.
    """
    hung_up = False
    for line in lines:
        if _FALLBACK.search(line):
            if not hung_up:
                yield line
            hung_up = False
        elif _HUNG_UP in line:
            hung_up = True
        elif _PROXY_ERROR in line or ("request failed" in line and not _BAD_GATEWAY.search(line)):
            hung_up = False


def judge_transport(cluster: Cluster, namespace: str, decode: Tier, *, tcp: bool = False) -> Finding:
    """Report whether KV blocks go over RDMA, over TCP or within the node, from UCX's lines in the decode pods' logs."""
    step = "transport"
    pods = decode.ready
    try:
        logs = [cluster.log(namespace, name(pod), VLLM, limitBytes=_MOST_LOG) for pod in pods]
    except Unreachable as refused:
        return unseen(step, f"vLLM's log can't be read: {refused}", refused.remedy)
    return transport_said(ucx.transports(*logs), pods, rdma=decode.declared.rdma, tcp=tcp)


def transport_said(seen: ucx.Transports, pods: list[Object], *, rdma: bool, tcp: bool = False) -> Finding:
    """Compare the transports in use with `rdma` and the `UCX_TLS` of the pods, or with `tcp` alone.

    `rdma`: whether the stack gives RDMA to the pods.
    """
    step = "transport"
    if not seen.seen:
        return unseen(
            step,
            "the logs of UCX don't name the transport of KV blocks",
            "set serving.ucx.protoInfo: true and serving.ucx.logLevel: info, `pulumi up`, verify again",
        )
    used = ", ".join(sorted(seen.seen))
    if tcp and seen.seen == seen.tcp:
        return ok(step, f"{used}, as wanted here")
    if seen.tcp and (rdma or _asks_for_rdma(pods)):
        devices = sorted({one for pod in pods for one in limits(pod) if not is_gpu(one)})
        wants = (
            f"the pods request {', '.join(devices)}"
            if devices
            else "the stack gives RDMA to the pods"
            if rdma
            else "UCX_TLS names RDMA transports"
        )
        finding = warning if seen.rdma else failed
        return finding(
            step,
            f"{used}, though {wants}",
            "silent fallback: KV blocks go over TCP, at a fraction of the speed",
            "serving.ucx.ibGidIndex (RoCE v2 is usually 3), serving.ucx.netDevices, serving.rdma; without tcp in "
            "serving.ucx.tls a fallback becomes an error instead",
        )
    return ok(step, used)


def _quiet(sidecar: Object) -> str:
    """Return the log level of a sidecar if it hides fallbacks, else an empty text."""
    for argument in sidecar.get("args") or []:
        flag, _, level = argument.partition("=")
        if flag.lstrip("-") == "zap-log-level" and level in _QUIET_LEVELS:
            return str(level)
    return ""


def _asks_for_rdma(pods: list[Object]) -> bool:
    transports = {
        word
        for pod in pods
        for container in containers(pod)
        for variable in container.get("env") or []
        if variable["name"] == "UCX_TLS"
        for word in variable.get("value", "").split(",")
    }
    return any(re.fullmatch(r"(ib|rc|dc|ud|srd)(_\w+)?", word) for word in transports)
