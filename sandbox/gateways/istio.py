"""Installs istio from its own chart, with an access log in the mesh configuration.

`sandbox/toolchain/istio` renders the chart. istiod runs as an ordinary pod; it makes the GatewayClass `istio`, and for
every Gateway of that class a Deployment with istio's agent and Envoy. A second installation serves OpenShift's class.
"""

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from sandbox import toolchain
from sandbox.cluster.api import Api, ApiError, connect
from sandbox.errors import SandboxError
from sandbox.gateways import accesslog
from sandbox.progress import Progress

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
        if _accepted(api, CLASSES[namespace]):
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
    while not _accepted(api, CLASSES[namespace]):
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
        "accessLogFormat": json.dumps(dict(accesslog.FORMAT)),
    }
    return {**one, "data": {**one["data"], "mesh": yaml.safe_dump(mesh)}}


def _accepted(api: Api, name: str) -> bool:
    try:
        found = api.get(_CLASS.format(name))
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    conditions: Iterable[dict[str, Any]] = found.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Accepted" and one["status"] == "True" for one in conditions)
