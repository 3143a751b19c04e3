"""Installs istio from its own chart, with an access log that the sandbox's commands read.

`sandbox/toolchain/istio` renders the chart. istiod runs as an ordinary pod; it makes the GatewayClass `istio`, and for
every Gateway of that class a Deployment with istio's agent and Envoy. A second installation serves OpenShift's class.
Envoy logs one JSON line per request, with the picker's choices.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from components.access_log import FORMAT
from sandbox import toolchain
from sandbox.cluster.api import Api, connect, is_true
from sandbox.errors import SandboxError
from sandbox.progress import Progress

MARK = "x-sandbox-request"
"""Header that identifies a request of the sandbox's client, because istio's Envoy replaces `x-request-id`."""


@dataclass(frozen=True)
class Access:
    """One ended request through a gateway: the fields of the access log that the CLI shows."""

    start: datetime
    id: str | None
    """The client's `x-sandbox-request`, else Envoy's `x-request-id`."""
    path: str | None
    """Path that the client sent."""
    status: int
    """0 if the client went away before there was an answer."""
    decode: str | None
    """Address and port of the decode worker that the picker chose; None = it was not asked, or did not answer."""
    prefill: str | None
    """Address and port of the prefill worker that the picker chose; None = decode only."""
    upstream: str | None
    """Address and port that answered."""
    picked_us: int | None
    """Microseconds from the request's first byte until it was sent on: the picker's decision."""
    first_byte_us: int | None
    """Microseconds until the first byte of the answer came."""
    total_us: int | None
    """Microseconds until the last byte of the answer was sent."""

    @property
    def as_picked(self) -> bool:
        """Whether the chosen worker served the request."""
        return self.decode is not None and self.decode == self.upstream


_FIELDS = [one.name for one in fields(Access)]


def read_access(line: str) -> Access | None:
    """Read one line of a gateway container's log; None for other lines, such as Envoy's own messages."""
    if not line.startswith('{"'):
        return None
    try:
        content = json.loads(line)
        return Access(**{name: content[name] for name in _FIELDS} | {"start": datetime.fromisoformat(content["start"])})
    except (ValueError, KeyError, TypeError):
        return None


CLASSES = {"istio-system": "istio", "openshift-ingress": "data-science-gateway-class"}
"""GatewayClass of an installation, by its namespace."""

PROVIDERS = {"istio": "istio-system", "data-science-gateway": "openshift-ingress"}
"""Namespace of the installation that serves a stack, by `serving.gateway.provider`."""

_PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts/{}",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps/{}",
    "Service": "/api/v1/namespaces/{}/services/{}",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments/{}",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/{}",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings/{}",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles/{1}",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{1}",
}
_PATIENCE_SECONDS = 120.0
_CLASS = "/apis/gateway.networking.k8s.io/v1/gatewayclasses/{}"


def provide(kubeconfig: Path, namespace: str, report: Progress) -> None:
    """Install istio in `namespace` and wait for its GatewayClass; do nothing if it is installed.

    Raises `SandboxError` when istiod does not accept its class.
    """
    with connect(kubeconfig) as api:
        if is_true(api.find(_CLASS.format(CLASSES[namespace])) or {}, "Accepted"):
            return
        objects = json.loads(toolchain.provide(toolchain.ISTIO, report)["istio-manifests"].read_text())[namespace]
        owner = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        api.apply(f"/api/v1/namespaces/{namespace}", owner)
        with ThreadPoolExecutor(8) as together:
            list(together.map(lambda one: api.apply(_path(one, namespace), _with_access_log(one)), objects))
        with report.step(f"waiting for istiod in {namespace}"):
            _await_class(api, namespace)


def _await_class(api: Api, namespace: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_true(api.find(_CLASS.format(CLASSES[namespace])) or {}, "Accepted"):
        if time.monotonic() > deadline:
            pods = api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
            states = [one["status"].get("containerStatuses") or one["status"] for one in pods]
            raise SandboxError(
                f"istiod in {namespace} did not accept the GatewayClass {CLASSES[namespace]} within "
                f"{_PATIENCE_SECONDS:.0f} s. Its pods: {states}; see `make logs POD=istiod`"
            )
        time.sleep(0.05)


def _path(one: dict[str, Any], namespace: str) -> str:
    return _PATHS[one["kind"]].format(namespace, one["metadata"]["name"])


def _with_access_log(one: dict[str, Any]) -> dict[str, Any]:
    """Add the sandbox's access log to the mesh configuration; return other objects unchanged."""
    if "mesh" not in one.get("data", {}):
        return one
    mesh = yaml.safe_load(one["data"]["mesh"])
    mesh |= {
        "accessLogFile": "/dev/stdout",
        "accessLogEncoding": "JSON",
        "accessLogFormat": json.dumps({**FORMAT, "id": f"%REQ({MARK.upper()}?X-REQUEST-ID)%"}),
    }
    return {**one, "data": {**one["data"], "mesh": yaml.safe_dump(mesh)}}
