"""Broken clusters: each has a name, the settings of its stack, and a temporary fault."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.sandbox.preflight.stage import NAMESPACE, Stage

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
