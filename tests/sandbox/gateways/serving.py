"""Gateways with something behind them in a real sandbox, and a client in front of them."""

import http.client
import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from sandbox.cluster.api import Api, ApiError
from sandbox.gateways.accesslog import Access, read
from tests.sandbox.running import Running, soon

NAMESPACE = "doors"
PATIENCE = 20.0
"""Seconds for a gateway to serve on a busy machine; 2 are usual."""

_SERVER = textwrap.dedent(
    """
    import http.server, os, time
    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
            pieces = 50 if self.path.startswith("/slow") else 1
            self.send_response(200)
            self.send_header("content-length", str(pieces * len(os.environ["NAME"])))
            self.end_headers()
            for piece in range(pieces):
                self.wfile.write(os.environ["NAME"].encode())
                time.sleep(0.04 if pieces > 1 else 0)
        do_POST = do_GET
        def log_message(self, *_): pass
    http.server.ThreadingHTTPServer(("", 8000), Answer).serve_forever()
    """
)
_PATHS = {
    "Gateway": f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/gateways",
    "HTTPRoute": f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes",
    "InferencePool": f"/apis/inference.networking.k8s.io/v1/namespaces/{NAMESPACE}/inferencepools",
    "Service": f"/api/v1/namespaces/{NAMESPACE}/services",
    "Pod": f"/api/v1/namespaces/{NAMESPACE}/pods",
    "Secret": f"/api/v1/namespaces/{NAMESPACE}/secrets",
    "ConfigMap": f"/api/v1/namespaces/{NAMESPACE}/configmaps",
    "Deployment": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
}


@dataclass(frozen=True)
class Doors:
    """The namespace in which the Gateways of these tests are."""

    cluster: Running
    api: Api

    def put(self, text: str) -> None:
        """Apply objects from YAML."""
        for one in yaml.load_all(text, Loader=yaml.CSafeLoader):
            self.api.apply(f"{_PATHS[one['kind']]}/{one['metadata']['name']}", one)

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object, None if there is none."""
        try:
            return self.api.get(f"{_PATHS[kind]}/{name}")
        except ApiError as error:
            assert error.code == 404
            return None

    def names(self, kind: str) -> list[str]:
        """Return the names of the objects of a kind."""
        return [one["metadata"]["name"] for one in self.api.get(_PATHS[kind])["items"]]

    def delete(self, kind: str, name: str) -> None:
        """Delete an object."""
        self.api.delete(f"{_PATHS[kind]}/{name}", propagationPolicy="Background")

    def patch(self, kind: str, name: str, body: object) -> None:
        """Merge a patch into an object."""
        self.api.patch(f"{_PATHS[kind]}/{name}", body)

    def condition(self, name: str, kind: str = "Programmed") -> tuple[str, str, str]:
        """Return status, reason and message of a Gateway's condition."""
        return _condition((self.get("Gateway", name) or {}).get("status", {}).get("conditions", []), kind)

    def listener(self, name: str, listener: str, kind: str) -> tuple[str, str, str]:
        """Return status, reason and message of a condition of a Gateway's listener."""
        listeners = (self.get("Gateway", name) or {}).get("status", {}).get("listeners", [])
        found = [one["conditions"] for one in listeners if one["name"] == listener]
        return _condition(found[0], kind) if found else ("", "", "")

    def parent(self, what: str, name: str, kind: str) -> tuple[str, str, str]:
        """Return status, reason and message of a condition that the first parent gives a route or pool."""
        parents = (self.get(what, name) or {}).get("status", {}).get("parents", [])
        return _condition(parents[0]["conditions"], kind) if parents else ("", "", "")

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        assert soon(condition, PATIENCE)

    def programmed(self, name: str) -> None:
        """Wait until a Gateway is in operation."""
        assert soon(lambda: self.condition(name)[0] == "True", PATIENCE), self.condition(name)

    def port(self, name: str) -> int | None:
        """Return the host's port of a Gateway, or of a further listener: `<Gateway>:<port>`."""
        ports: dict[str, int] = json.loads((self.cluster.home.root / "gateways.json").read_text())
        return ports.get(f"{NAMESPACE}/{name}")

    def ask(self, name: str, path: str = "/", **headers: str) -> http.client.HTTPResponse:
        """Send a request through a Gateway; the answer's body is still to be read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port(name), timeout=PATIENCE)
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def said(self, name: str, path: str = "/") -> tuple[int, str]:
        """Return status and body of an answer."""
        response = self.ask(name, path)
        return response.status, response.read().decode()

    def accesses(self, name: str) -> list[Access]:
        """Return what the pods of a Gateway have written down."""
        logs = (self.cluster.home.logs / "pods").glob(f"{NAMESPACE}_{name}-istio-*/istio-proxy.log")
        found = [read(line) for log in logs for line in log.read_text().splitlines()]
        return [one for one in found if one]


def gateway(name: str, service_type: str = "ClusterIP") -> str:
    """Write a Gateway in YAML."""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, annotations: {{networking.istio.io/service-type: {service_type}}}}}
spec:
  gatewayClassName: istio
  listeners: [{{name: default, port: 80, protocol: HTTP}}]
"""


def route(name: str, door: str, backends: str, match: str = "{path: {value: /}}") -> str:
    """Write a route of a Gateway in YAML."""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: {door}}}]
  rules: [{{matches: [{match}], backendRefs: {backends}}}]
"""


def server(name: str) -> str:
    """Write a pod that answers with its name, and a Service for it, in YAML."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name, "tier": "workers"}},
        "spec": {
            "containers": [
                {
                    "name": "server",
                    "image": "busybox",
                    "command": ["python3", "-c", _SERVER],
                    "env": [{"name": "NAME", "value": name}],
                    "readinessProbe": {"httpGet": {"port": 8000}, "periodSeconds": 1},
                }
            ]
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 8000}]},
    }
    return yaml.safe_dump_all([pod, service])


def pool(name: str, picker: str, mode: str) -> str:
    """Write a pool of all servers in YAML."""
    return f"""
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{tier: workers}}}}
  targetPorts: [{{number: 8000}}]
  endpointPickerRef: {{name: {picker}, port: {{number: 8000}}, failureMode: {mode}}}
"""


def to_pool(name: str) -> str:
    """Write a reference to a pool in YAML."""
    return f"[{{group: inference.networking.k8s.io, kind: InferencePool, name: {name}}}]"


def to_service(name: str) -> str:
    """Write a reference to a server's Service in YAML."""
    return f"[{{name: {name}, port: 8000}}]"


def _condition(conditions: list[dict[str, Any]], kind: str) -> tuple[str, str, str]:
    found = [(one["status"], one["reason"], one["message"]) for one in conditions if one["type"] == kind]
    return found[0] if found else ("", "", "")
