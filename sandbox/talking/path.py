"""The path of a request, from the gateway's access log, with pod names in place of addresses."""

import time
from collections.abc import Iterator, Sequence

from sandbox.cluster.api import Api, ApiError
from sandbox.gateways import accesslog
from sandbox.gateways.accesslog import Access
from sandbox.talking import pods
from sandbox.talking.pods import Pod
from sandbox.talking.target import Target

_LOG_SECONDS = 5.0
"""Seconds that a gateway may take to log a request after its answer."""
_RECENT = "200"


def gateway_pods(listed: Sequence[Pod], namespace: str | None = None, gateway: str | None = None) -> list[Pod]:
    """Return the pods of one Gateway, or of all."""
    return [
        pod
        for pod in listed
        if pod.role == "gateway"
        and (namespace is None or pod.namespace == namespace)
        and (gateway is None or pod.gateway == gateway)
    ]


def recent(api: Api, pod: Pod) -> Iterator[Access]:
    """Yield the last requests through a gateway pod, oldest first; none while the pod starts or ends."""
    try:
        log = api.text(f"{pod.path}/log", tailLines=_RECENT)
    except ApiError:
        return
    for line in log.splitlines():
        access = accesslog.read(line)
        if access:
            yield access


def find(api: Api, listed: Sequence[Pod], target: Target, request_id: str) -> tuple[Pod, Access] | None:
    """Return the gateway pod that served a request and its log entry; None if it does not appear in time."""
    deadline = time.monotonic() + _LOG_SECONDS
    while time.monotonic() < deadline:
        for pod in gateway_pods(listed, target.namespace, target.gateway):
            for access in recent(api, pod):
                if access.id == request_id:
                    return pod, access
        time.sleep(0.05)
    return None


def lines(gateway: Pod, access: Access, listed: Sequence[Pod]) -> list[str]:
    """Format the path, one pod per line."""
    served = access.upstream or access.decode
    worker = pods.at(listed, served)
    pickers = [pod for pod in listed if pod.role == "epp" and worker and pod.install == worker.install]
    picker = next((pod for pod in pickers if pod.state == "Ready"), None)  # the others are replicas
    decided = f", decided after {milliseconds(access.picked_us)}" if access.picked_us is not None else ""
    stations = [("gateway", _place(gateway, None))]
    stations += [("picker", _place(picker, None) + decided)] if access.decode else []
    stations += [("prefill", _place(pods.at(listed, access.prefill), access.prefill))] if access.prefill else []
    elsewhere = "" if access.as_picked or not access.decode else f" (picked was {access.decode})"
    stations.append((worker.role if worker else "decode", _place(worker, served) + elsewhere))
    return [f"{'  ' if not index else '→ '}{what:<8} {where}" for index, (what, where) in enumerate(stations)]


def milliseconds(microseconds: int | None) -> str:
    """Format a time of the access log."""
    return "?" if microseconds is None else f"{microseconds / 1000:.1f} ms"


def _place(pod: Pod | None, address: str | None) -> str:
    if pod is None:
        return address or "unknown"
    return f"{pod.name} on {pod.node}"
