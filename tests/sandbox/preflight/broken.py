"""Broken clusters: each has a name, the settings of its stack, and a temporary fault."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.cluster import crds
from sandbox.cluster.api import Api, ApiError
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
        assert soon(lambda: not self.exists(path), 60), f"{path} stays"

    def exists(self, path: str) -> bool:
        try:
            self.api.get(path)
        except ApiError:
            return False
        return True

    @contextmanager
    def namespace(self, level: str = "") -> Iterator[None]:
        """Create the stack's namespace as another owner, with a Pod Security level."""
        metadata = {"name": NAMESPACE, "labels": {LEVEL: level} if level else {}}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
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
            try:
                kinds = self.api.get(f"/apis/{group}/{version}")["resources"]
            except ApiError:
                return False
            return any(each["name"] == plural for each in kinds)

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

    def kubeconfig(self, **changes: Any) -> Path:
        """Return the sandbox's kubeconfig with another cluster or user entry."""
        document = yaml.safe_load(self.amd.cluster.home.kubeconfig.read_text())
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


Way = Callable[[Stage], AbstractContextManager[Path | None]]

FOREIGN = {"createNamespace": False}
"""Settings for a namespace and a token's Secret that another owner made."""
OTHER = {"app.kubernetes.io/part-of": "llm-d-pd", "llm-d.ai/instance": "other"}
"""Labels of another install's objects."""
SHARED = {"existing": {"name": "shared", "namespace": "default"}, "route": {"path": "/llama"}}
HOST = {"hostNetwork": True, "rdma": None}
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Broken:
    """One broken cluster; `way` yields another kubeconfig if that is the fault."""

    name: str
    way: Way
    settings: dict[str, Any] = field(default_factory=dict)
    token: bool = True
    """Whether the stack has the Hugging Face token."""


def _plain(way: Callable[[Stage], AbstractContextManager[Any]]) -> Way:
    @contextmanager
    def broken(stage: Stage) -> Iterator[None]:
        with way(stage):
            yield

    return broken


def _nodes(**how: Any) -> Way:
    return _plain(lambda stage: stage.nodes(**how))


def _taken(**container: Any) -> Way:
    return _plain(lambda stage: stage.others(**container))


def _in_namespace(*parts: Callable[[Stage], AbstractContextManager[Any]], token: bool = True, level: str = "") -> Way:
    """A namespace of another owner, with or without the token's Secret."""

    @contextmanager
    def broken(stage: Stage) -> Iterator[None]:
        with ExitStack() as held:
            held.enter_context(stage.namespace(level))
            if token:
                data = {"HF_TOKEN": "placeholder"}
                held.enter_context(stage.within("secrets", "Secret", "llm-d-hf-token", stringData=data))
            for part in parts:
                held.enter_context(part(stage))
            yield

    return broken


def _quota(name: str, **hard: str) -> Callable[[Stage], AbstractContextManager[Any]]:
    named = {key.replace("__", ".", 1).replace("_gpu", ".com/gpu"): value for key, value in hard.items()}
    return lambda stage: stage.within("resourcequotas", "ResourceQuota", name, spec={"hard": named})


def _limit(stage: Stage) -> AbstractContextManager[Any]:
    most = {"type": "Container", "max": {"memory": "64Gi"}}
    return stage.within("limitranges", "LimitRange", "team", spec={"limits": [most]})


def _no_certificate(stage: Stage) -> AbstractContextManager[Any]:
    return stage.within("secrets", "Secret", "tls-secret", stringData={"tls.crt": "of", "tls.key": "no type"})


def _config_map(labels: dict[str, str]) -> Callable[[Stage], AbstractContextManager[Any]]:
    """A ConfigMap with the name of the picker's."""
    return lambda stage: stage.within("configmaps", "ConfigMap", "gaie-pd-epp", metadata={"labels": labels})


@contextmanager
def _terminating(stage: Stage) -> Iterator[None]:
    with stage.namespace():
        held = {"finalizers": ["example.com/held"]}
        with stage.within("configmaps", "ConfigMap", "held", metadata=held):
            stage.api.delete(f"/api/v1/namespaces/{NAMESPACE}")
            try:
                yield
            finally:
                path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/held"
                stage.api.patch(path, {"metadata": {"finalizers": None}})


@contextmanager
def _onlooker(stage: Stage) -> Iterator[Path]:
    """A user that may read everything and change nothing."""
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "onlooker"}
    subject = {"kind": "ServiceAccount", "name": "onlooker", "namespace": "default"}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "onlooker"}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "onlooker"}}
    with (
        stage.made("/api/v1/namespaces/default/serviceaccounts/onlooker", account),
        stage.made(f"{RBAC}/clusterroles/onlooker", {**role, "kind": "ClusterRole", "rules": rules}),
        stage.made(
            f"{RBAC}/clusterrolebindings/onlooker",
            {**role, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]},
        ),
    ):
        yield stage.kubeconfig(user={"token": stage.token_of("onlooker")})


@contextmanager
def _expired(stage: Stage) -> Iterator[Path]:
    yield stage.kubeconfig(user={"token": "expired"})


@contextmanager
def _nowhere(stage: Stage) -> Iterator[Path]:
    yield stage.kubeconfig(cluster={"server": "https://127.0.0.1:1"})


@contextmanager
def _silent(stage: Stage) -> Iterator[Path]:
    """A server in the sandbox that accepts connections and never answers."""
    command = [*stage.amd.cluster.enter, sys.executable, "-c", _SILENCE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        yield stage.kubeconfig(cluster={"server": f"http://127.0.0.1:{server.stdout.readline().strip()}"})
        server.communicate("")


@contextmanager
def _untrusted(stage: Stage) -> Iterator[Path]:
    yield stage.kubeconfig(cluster=lambda known: {"server": known["server"]})


@contextmanager
def _login_fails(stage: Stage) -> Iterator[Path]:
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}
    yield stage.kubeconfig(user={"exec": command})


_SILENCE = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""

GPUS = {"limits": {"amd.com/gpu": "7"}}
EIGHT = "8"
TAINTS = [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]

KINDS = (
    "httproutes.gateway.networking.k8s.io",
    "inferencepools.inference.networking.k8s.io",
    "podmonitors.monitoring.coreos.com",
    "inferenceobjectives.inference.networking.x-k8s.io",
)
MISSING = {
    "model__claim": "weights",
    "images": {"pullSecrets": ["registry"]},
    "gateway": {"provider": "standalone", "tls": {"certificateRefs": [{"name": "tls-secret"}]}},
}

CORPUS = [
    Broken("no custom kinds", _plain(lambda stage: stage.without_kinds(*KINDS)), {"release": "0.4"}),
    Broken("no gateway", _plain(lambda _: nullcontext()), {"gateway": SHARED}),
    Broken("wrong device", _nodes(resources={"amd.com/gpu": EIGHT, "rdma/roce_gdr": "1k"})),
    Broken("no GPUs", _nodes(resources={"nvidia.com/gpu": EIGHT, "rdma/ib": "1k"})),
    Broken("GPUs taken", _taken(resources=GPUS)),
    Broken("devices taken", _nodes(resources={"amd.com/gpu": EIGHT, "rdma/ib": "2"})),
    Broken("tainted", _nodes(spec={"taints": TAINTS})),
    Broken("cordoned", _nodes(spec={"unschedulable": True})),
    Broken("no such node", _plain(lambda _: nullcontext()), {"decode": {"nodeSelector": {"zone": "b"}}}),
    Broken("too many GPUs", _plain(lambda _: nullcontext()), {"decode": {"replicas": 4}}),
    Broken("host port taken", _taken(ports=[{"containerPort": 8200, "hostPort": 8200}]), HOST),
    Broken("restricted", _in_namespace(level="restricted"), FOREIGN, token=False),
    Broken("baseline on the host", _in_namespace(level="baseline"), {**FOREIGN, **HOST}, token=False),
    Broken("no namespace", _plain(lambda _: nullcontext()), {**FOREIGN, "model__tokenSecret": None}, token=False),
    Broken("terminating", _terminating, {**FOREIGN, "model__tokenSecret": None}, token=False),
    Broken("an empty namespace", _in_namespace(_no_certificate, token=False), {**FOREIGN, **MISSING}, token=False),
    Broken(
        "no key",
        _in_namespace(
            lambda stage: stage.within("secrets", "Secret", "llm-d-hf-token", stringData={"token": "x"}), token=False
        ),
        FOREIGN,
        token=False,
    ),
    Broken(
        "no classes",
        _plain(lambda _: nullcontext()),
        {"prefill": {"priorityClass": "high"}, "decode": {"runtimeClass": "nvidia"}},
    ),
    Broken(
        "limits of the namespace",
        _in_namespace(_quota("gpus", requests__amd_gpu="4"), _quota("cpus", limits__cpu="1k"), _limit),
        FOREIGN,
        token=False,
    ),
    Broken("somebody's object", _in_namespace(_config_map({})), FOREIGN, token=False),
    Broken("another install's object", _in_namespace(_config_map(OTHER)), FOREIGN, token=False),
    Broken("no rights", _onlooker),
    Broken("expired credentials", _expired),
    Broken("login program fails", _login_fails),
    Broken("unreachable", _nowhere),
    Broken("silent", _silent),
    Broken("untrusted", _untrusted),
]
