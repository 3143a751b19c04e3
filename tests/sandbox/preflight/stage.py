"""Temporary faults of a cluster, as context managers."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.cluster import crds
from sandbox.cluster.api import Api, ApiError
from tests.sandbox.certificate import made
from tests.sandbox.running import soon, tools
from tests.sandbox.stack.deployment import Deployment

NAMESPACE = "llm-d-pd"
LEVEL = "pod-security.kubernetes.io/enforce"
NODES = ("amd-0", "amd-1")
Object = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A cluster of two nodes, a stack that is not deployed, and access to the API server."""

    api: Api
    amd: Deployment
    folder: Path
    inside: bool = False
    """Whether kubeconfigs are for a process inside the sandbox."""

    @contextmanager
    def made(self, path: str, body: Object) -> Iterator[Object]:
        """Create an object for the duration of the body."""
        try:
            yield self.api.apply(path, body)
        finally:
            self.gone(path)

    def gone(self, path: str) -> None:
        """Delete an object and wait until it is gone."""
        with suppress(ApiError):
            self.api.delete(path, gracePeriodSeconds="0")
        assert soon(lambda: self.api.find(path) is None, 60), f"{path} stays"

    @contextmanager
    def namespace(self, level: str = "") -> Iterator[None]:
        """Create the stack's namespace as another owner, with a Pod Security level."""
        metadata = {"name": NAMESPACE, "labels": {LEVEL: level} if level else {}}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}

        def admitted() -> bool:
            with suppress(ApiError):
                return bool(self.api.request("POST", "/api/v1/namespaces", {"dryRun": "All"}, body))
            return False

        assert soon(admitted, 30), "a policy that is gone is still in force"
        with self.made(f"/api/v1/namespaces/{NAMESPACE}", body):
            yield

    @contextmanager
    def within(self, plural: str, kind: str, name: str, api: str = "/api/v1", **fields: Any) -> Iterator[None]:
        """Create an object in the stack's namespace."""
        version = api.removeprefix("/apis/").removeprefix("/api/")
        metadata = {"name": name, "namespace": NAMESPACE, **fields.pop("metadata", {})}
        body = {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
        with self.made(f"{api}/namespaces/{NAMESPACE}/{plural}/{name}", body):
            yield

    @contextmanager
    def kind(self, group: str, version: str, kind: str) -> Iterator[None]:
        """Serve a kind of objects without rules."""
        plural = f"{kind.lower()}s"
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        spec = {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        }
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        metadata = {"name": f"{plural}.{group}"}
        body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata}
        with self.made(f"{definitions}/{plural}.{group}", {**body, "spec": spec}):
            assert soon(lambda: self.api.find(f"/apis/{group}/{version}") is not None, 60), f"{group} is not served"
            yield

    @contextmanager
    def without_kinds(self, *names: str) -> Iterator[None]:
        """Remove these CRDs for a while."""
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        versions = {
            (name, each["name"])
            for name in names
            for each in self.api.get(f"{definitions}/{name}")["spec"]["versions"]
            if each["served"]
        }
        for name in names:
            self.gone(f"{definitions}/{name}")

        def served(name: str, version: str) -> bool:
            plural, _, group = name.partition(".")
            found = self.api.find(f"/apis/{group}/{version}") or {"resources": []}
            return any(each["name"] == plural for each in found["resources"])

        assert soon(lambda: not any(served(*each) for each in versions), 60), f"one of {names} is still served"
        try:
            yield
        finally:
            crds.apply(self.amd.cluster.host_kubeconfig, tools()["crds"])
            assert soon(lambda: all(served(*each) for each in versions), 60), f"one of {names} is not served again"

    @contextmanager
    def nodes(self, spec: Object | None = None, resources: Mapping[str, str] | None = None) -> Iterator[None]:
        """Give both nodes another spec or other devices."""
        before = {name: self.api.get(f"/api/v1/nodes/{name}") for name in NODES}
        for name in NODES:
            if spec:
                self.api.patch(f"/api/v1/nodes/{name}", {"spec": spec})
            if resources is not None:
                devices: dict[str, str | None] = {
                    key: None for key in before[name]["status"]["allocatable"] if "/" in key
                }
                devices.update(resources)
                status = {"capacity": devices, "allocatable": devices}
                self.api.patch(f"/api/v1/nodes/{name}/status", {"status": status})
        try:
            yield
        finally:
            for name, node in before.items():
                old = {"taints": node["spec"].get("taints"), "unschedulable": node["spec"].get("unschedulable")}
                self.api.patch(f"/api/v1/nodes/{name}", {"spec": old})
                amounts: dict[str, str | None] = dict.fromkeys(resources or {})
                amounts.update(node["status"]["allocatable"])
                status = {"capacity": amounts, "allocatable": amounts}
                self.api.patch(f"/api/v1/nodes/{name}/status", {"status": status})

    @contextmanager
    def others(self, **container: Any) -> Iterator[None]:
        """Put a pod of another owner on each node."""
        paths = []
        for name in NODES:
            path = f"/api/v1/namespaces/default/pods/job-{name}"
            spec = {"nodeName": name, "containers": [{"name": "c", "image": "pause:1", **container}]}
            metadata = {"name": f"job-{name}", "namespace": "default"}
            self.api.apply(path, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
            paths.append(path)
        try:
            yield
        finally:
            for path in paths:
                self.gone(path)

    @contextmanager
    def policy(self, resource: str, expression: str, message: str, group: str = "") -> Iterator[None]:
        """Have an admission policy for new objects of a kind in the stack's namespace, or of the namespace itself."""
        rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [resource]}
        spec = {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": "here", "expression": f"request.namespace == '{NAMESPACE}'"}],
            "validations": [{"expression": expression, "message": message}],
        }
        binding = {"policyName": "rule", "validationActions": ["Deny"]}
        with (
            self.made(*_registered("validatingadmissionpolicies", "ValidatingAdmissionPolicy", "rule", spec=spec)),
            self.made(
                *_registered("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", "b", spec=binding)
            ),
        ):
            yield

    @contextmanager
    def webhook(self, kind: str = "Validating", only: str = "pods", **answer: Any) -> Iterator[None]:
        """Have a webhook that gives this answer to pods of the stack's namespace; without one, it does not answer."""
        certificate, key = made("localhost")
        (self.folder / "pair.pem").write_text(certificate + key)
        command = [*self.amd.cluster.enter, sys.executable, "-c", _WEBHOOK, str(self.folder / "pair.pem")]
        with subprocess.Popen(
            [*command, json.dumps(answer)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout
            port = server.stdout.readline().strip() if answer else "1"
            ca = base64.b64encode(certificate.encode()).decode()
            hook = {
                "name": "hook.example.com",
                "clientConfig": {"url": f"https://localhost:{port}/", "caBundle": ca},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [only]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
            plural = f"{kind.lower()}webhookconfigurations"
            with self.made(*_registered(plural, f"{kind}WebhookConfiguration", "hook", webhooks=[hook])):
                yield
            server.communicate("")

    @contextmanager
    def istiod(self, image: str = "", **env: str) -> Iterator[None]:
        """Change istiod's Deployment without a roll-out."""
        path = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
        before = self.api.get(path)["spec"]["template"]["spec"]["containers"][0]
        old = {each["name"]: each.get("value") for each in before["env"]}

        def change(paused: bool, image: str, env: Mapping[str, str | None]) -> None:
            named = [{"name": name, "value": value} for name, value in env.items()]
            container = {"name": before["name"], "image": image, "env": named}
            spec = {"paused": paused, "template": {"spec": {"containers": [container]}}}
            self.api.patch(path, {"spec": spec}, "application/strategic-merge-patch+json")

        change(True, image or before["image"], env)
        try:
            yield
        finally:
            change(True, before["image"], {name: old[name] for name in env})
            self.api.patch(path, {"spec": {"paused": None}})

    def kubeconfig(self, **changes: Any) -> Path:
        """Return the sandbox's kubeconfig with another cluster or user entry."""
        cluster = self.amd.cluster
        base = cluster.home.kubeconfig if self.inside else cluster.host_kubeconfig
        document = yaml.safe_load(base.read_text())
        for key, value in changes.items():
            [entry] = document[f"{key}s"]
            entry[key] = value(entry[key]) if callable(value) else value
        file = self.folder / f"kubeconfig-{time.monotonic_ns()}"
        file.write_text(yaml.safe_dump(document))
        return file

    def token_of(self, account: str) -> str:
        """Return a token of a ServiceAccount in the namespace default."""
        path = f"/api/v1/namespaces/default/serviceaccounts/{account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return str(self.api.create(path, request)["status"]["token"])


def _registered(plural: str, kind: str, name: str, **fields: Any) -> tuple[str, Object]:
    """Path and body of an object of admissionregistration.k8s.io."""
    version = "admissionregistration.k8s.io/v1"
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}
    return f"/apis/{version}/{plural}/{name}", body


_WEBHOOK = """
import base64, http.server, json, ssl, sys, threading
answer = json.loads(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        given = dict(answer)
        if given.pop("dry", False) and not request.get("dryRun"):
            given = {}
        if "patch" in given:
            given |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(given["patch"]).encode()).decode()}
        response = {"uid": request["uid"], "allowed": True, **given}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        text = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
"""
