"""A cluster of a few objects and logs, without an API server."""

from collections.abc import Mapping
from typing import Any

from verify.cluster import Cluster, Object
from verify.finding import Unreachable
from verify.outputs import Outputs

NAMESPACE = "serving"
CORE, APPS = f"/api/v1/namespaces/{NAMESPACE}", f"/apis/apps/v1/namespaces/{NAMESPACE}"
GATEWAYS = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}"
RULES = "/apis/networking.istio.io/v1beta1/namespaces/{}/destinationrules"


def outputs(provider: str = "istio") -> Outputs:
    return Outputs("test", NAMESPACE, "llama", "pool", "", "", "gate", provider, {})


class FakeCluster(Cluster):
    """Answers by path. A path that is missing is forbidden if `forbids` names it, else it is an empty list."""

    def __init__(
        self, answers: Mapping[str, Any], logs: Mapping[str, str] | None = None, forbids: tuple[str, ...] = ()
    ) -> None:
        self._answers, self._logs, self._forbids = answers, logs or {}, forbids

    def get(self, path: str, **query: str) -> Object:
        if path in self._forbids:
            raise Unreachable(f"{path} is forbidden", f"RBAC: {path}")
        answer = self._answers.get(path, [])
        return {"items": answer} if isinstance(answer, list) else answer

    def log(self, namespace: str, pod: str, container: str, **query: str) -> str:
        return self._logs.get(f"{pod}/{container}", "")


def named(name: str, **parts: Any) -> Object:
    return {"metadata": {"name": name, "namespace": NAMESPACE}, **parts}


def pod(name: str, ready: bool, state: Mapping[str, Any], restarts: int = 0) -> Object:
    """A pod of one container, `proxy`."""
    status = {
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": [{"name": "proxy", "ready": ready, "state": state, "restartCount": restarts}],
    }
    return named(name, spec={"containers": [{"name": "proxy"}]}, status=status)
