"""What kubelets report of their nodes: that a node is ready, once, and that it still is, by renewing its lease.

Intervals as the kubelet's (kubernetes/kubernetes v1.34.1, pkg/kubelet/apis/config/v1beta1/defaults.go: leases of 40 s,
renewed after a quarter of that).
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from sandbox.cluster.api import Api, ApiError, Object
from sandbox.cluster.control_plane import KUBERNETES
from sandbox.errors import SandboxError
from sandbox.pods import kubelet

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_LEASE_SECONDS = 40
_HEALTHY = {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}


class Heartbeat:
    """Reports for the nodes that `hear` has seen."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._uids: dict[str, str] = {}

    def hear(self, kind: str, node: Object) -> None:
        """Take note of a watch event; report a node ready that isn't."""
        name = node["metadata"]["name"]
        if kind == "DELETED":
            self._uids.pop(name, None)
            return
        self._uids[name] = node["metadata"]["uid"]
        conditions = node.get("status", {}).get("conditions") or []
        if not any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
            asyncio.get_running_loop().run_in_executor(None, _send, self._say_ready, name)

    async def beat(self) -> None:
        """Renew the lease of every node until cancelled."""
        while True:
            for name in list(self._uids):
                await asyncio.to_thread(_send, self._renew, name)
            await asyncio.sleep(_LEASE_SECONDS / 4)

    def _say_ready(self, name: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
        status = {
            "conditions": [
                {"type": kind, "status": status, "reason": "Kubelet", **times} for kind, status in _HEALTHY.items()
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.PORT}},
            "nodeInfo": {"operatingSystem": "linux", "osImage": "sandbox", "kubeletVersion": KUBERNETES},
        }
        self._api.patch(f"/api/v1/nodes/{name}/status", {"status": status}, "application/strategic-merge-patch+json")

    def _renew(self, name: str) -> None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self._uids[name]}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "ownerReferences": [owner]},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": now},
        }
        self._api.apply(f"{_LEASES}/{name}", lease)


def _send(report: Callable[[str], None], name: str) -> None:
    try:
        report(name)
    except (ApiError, SandboxError, KeyError):  # the node is gone, or the API server is: the next beat tries again
        return
