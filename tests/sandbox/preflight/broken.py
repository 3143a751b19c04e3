"""Broken clusters: each has a name, the settings of its stack, and a temporary fault."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
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


def _foreign(
    name: str,
    *parts: Callable[[Stage], AbstractContextManager[Any]],
    settings: Mapping[str, Any] = MappingProxyType({}),
    token: bool = True,
    level: str = "",
) -> Broken:
    """A cluster in which another owner has made the stack's namespace."""
    return Broken(name, _in_namespace(*parts, token=token, level=level), {**FOREIGN, **settings}, token=False)


def _nothing(_: Stage) -> AbstractContextManager[None]:
    """No change of the cluster: the settings are the fault."""
    return nullcontext()


def _quota(name: str, **hard: str) -> Callable[[Stage], AbstractContextManager[Any]]:
    named = {key.replace("__", ".", 1).replace("_gpu", ".com/gpu"): value for key, value in hard.items()}
    return lambda stage: stage.within("resourcequotas", "ResourceQuota", name, spec={"hard": named})


def _limit(**limit: Any) -> Callable[[Stage], AbstractContextManager[Any]]:
    spec = {"limits": [{"type": "Container", **limit}]}
    return lambda stage: stage.within("limitranges", "LimitRange", "team", spec=spec)


def _scoped(stage: Stage) -> AbstractContextManager[Any]:
    """A quota for pods of a priority class."""
    scope = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}
    spec = {"hard": {"pods": "0"}, "scopeSelector": scope}
    return stage.within("resourcequotas", "ResourceQuota", "high", spec=spec)


def _priority(stage: Stage) -> AbstractContextManager[Any]:
    path = "/apis/scheduling.k8s.io/v1/priorityclasses/high"
    body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 10}
    return stage.made(path, body)


def _policy(*arguments: str) -> Callable[[Stage], AbstractContextManager[Any]]:
    return lambda stage: stage.policy(*arguments)


def _webhook(kind: str, **answer: Any) -> Callable[[Stage], AbstractContextManager[Any]]:
    return lambda stage: stage.webhook(kind, **answer)


def _istiod(image: str = "", **env: str) -> Way:
    return _plain(lambda stage: stage.istiod(image, **env))


def _shared(**listener: Any) -> Way:
    """A Gateway in another namespace, with one listener."""
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways/shared"
    listeners = [{"name": "web", "port": 80, "protocol": "HTTP", **listener}]
    body = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "shared", "namespace": "default"},
        "spec": {"gatewayClassName": "nobodys", "listeners": listeners},
    }
    return _plain(lambda stage: stage.made(path, body))


def _network_policy(**spec: Any) -> Callable[[Stage], AbstractContextManager[Any]]:
    api = "/apis/networking.k8s.io/v1"
    return lambda stage: stage.within("networkpolicies", "NetworkPolicy", "default", api, spec=spec)


def _claim(mode: str) -> Callable[[Stage], AbstractContextManager[Any]]:
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
    return lambda stage: stage.within("persistentvolumeclaims", "PersistentVolumeClaim", "weights", spec=spec)


def kueue(stage: Stage) -> AbstractContextManager[Any]:
    """Kueue's kind of queues."""
    return stage.kind("kueue.x-k8s.io", "v1beta1", "LocalQueue")


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
def onlooker(stage: Stage) -> Iterator[Path]:
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
    """A server that accepts connections and never answers."""
    command = [sys.executable, "-c", _SILENCE]
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

IMAGES = "object.spec.containers.all(c, c.image.startsWith('registry.example/'))"
LABELLED = "'team' in object.metadata.?labels.orValue({})"
WITHOUT_MOUNTS = [{"op": "replace", "path": "/spec/containers/0/volumeMounts", "value": []}]
NO_TOPOLOGY = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "", "labelSelector": {}}]}
ALL = {"namespaces": {"from": "All"}}
EPP = {"routing": {"cpu": "12"}}
ROUTED = {"decode": {"sidecar": {"cpu": "12"}}}

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
    Broken("no gateway", _nothing, {"gateway": SHARED}),
    Broken("wrong device", _nodes(resources={"amd.com/gpu": EIGHT, "rdma/roce_gdr": "1k"})),
    Broken("no GPUs", _nodes(resources={"nvidia.com/gpu": EIGHT, "rdma/ib": "1k"})),
    Broken("GPUs taken", _taken(resources=GPUS)),
    Broken("devices taken", _nodes(resources={"amd.com/gpu": EIGHT, "rdma/ib": "2"})),
    Broken("tainted", _nodes(spec={"taints": TAINTS})),
    Broken("cordoned", _nodes(spec={"unschedulable": True})),
    Broken("no such node", _nothing, {"decode": {"nodeSelector": {"zone": "b"}}}),
    Broken("too many GPUs", _nothing, {"decode": {"replicas": 4}}),
    Broken("host port taken", _taken(ports=[{"containerPort": 8200, "hostPort": 8200}]), HOST),
    _foreign("restricted", level="restricted"),
    _foreign("baseline on the host", settings=HOST, level="baseline"),
    Broken("no namespace", _nothing, {**FOREIGN, "model__tokenSecret": None}, token=False),
    Broken("terminating", _terminating, {**FOREIGN, "model__tokenSecret": None}, token=False),
    _foreign("an empty namespace", _no_certificate, settings=MISSING, token=False),
    _foreign(
        "no key",
        lambda stage: stage.within("secrets", "Secret", "llm-d-hf-token", stringData={"token": "x"}),
        token=False,
    ),
    Broken("no classes", _nothing, {"prefill": {"priorityClass": "high"}, "decode": {"runtimeClass": "nvidia"}}),
    _foreign("quota too small", _quota("gpus", requests__amd_gpu="4")),
    _foreign("quota for objects", _quota("objects", services="0")),
    _foreign("quota wants more said", _quota("cpus", limits__cpu="1k")),
    _foreign("quota of a priority class", _scoped, _priority, settings={"prefill": {"priorityClass": "high"}}),
    _foreign("memory beyond a LimitRange", _limit(max={"memory": "64Gi"})),
    _foreign("CPU below a LimitRange", _limit(min={"cpu": "12"}), settings={**EPP, **ROUTED}),
    _foreign("policy about images", _policy("pods", IMAGES, "images come from registry.example")),
    _foreign("policy about labels", _policy("deployments", LABELLED, "every Deployment has a label team", "apps")),
    _foreign("policy about a Service", _policy("services", "false", "Services are made by the platform")),
    Broken("policy about namespaces", _plain(_policy("namespaces", LABELLED, "namespaces have the label team"))),
    _foreign("webhook refuses", _webhook("Validating", allowed=False, status={"message": "runAsNonRoot must be true"})),
    _foreign("webhook is down", _webhook("Validating")),
    _foreign("webhook takes volumes away", _webhook("Mutating", patch=WITHOUT_MOUNTS)),
    _foreign("affinity that is none", settings={"decode": {"affinity": {"podAffinity": NO_TOPOLOGY}}}),
    Broken("istio without the extension", _istiod(ENABLE_GATEWAY_API_INFERENCE_EXTENSION="false")),
    Broken("istio too old", _istiod(image="docker.io/istio/pilot:1.27.3")),
    Broken("istio under a revision", _istiod(REVISION="1-31")),
    Broken("Gateway of one namespace", _shared(), {"gateway": SHARED}),
    Broken(
        "Gateway for labelled namespaces",
        _shared(allowedRoutes={"namespaces": {"from": "Selector", "selector": {"matchLabels": {"models": "yes"}}}}),
        {"gateway": SHARED},
    ),
    Broken(
        "Gateway of another host",
        _shared(hostname="a.example.com", allowedRoutes=ALL),
        {"gateway": {"existing": SHARED["existing"], "route": {"hostnames": ["b.example.com"]}}},
    ),
    Broken(
        "Gateway without the listener",
        _shared(allowedRoutes=ALL),
        {"gateway": {"existing": {**SHARED["existing"], "listener": "models"}, "route": {"path": "/llama"}}},
    ),
    _foreign("nothing may come in", _network_policy(podSelector={}, policyTypes=["Ingress"])),
    _foreign(
        "KV blocks do not get through",
        _network_policy(
            podSelector={"matchLabels": {"llm-d.ai/role": "prefill"}}, ingress=[{"ports": [{"port": 8000}]}]
        ),
    ),
    _foreign("no such queue", kueue, settings={"prefill": {"labels": {"kueue.x-k8s.io/queue-name": "gpus"}}}),
    _foreign("claim of one node", _claim("ReadWriteOnce"), settings={"model__claim": "weights"}),
    _foreign("claim of one pod", _claim("ReadWriteOncePod"), settings={"model__claim": "weights"}),
    _foreign("claim that cannot be written", _claim("ReadOnlyMany"), settings={"model__claim": "weights"}),
    _foreign("somebody's object", _config_map({})),
    _foreign("another install's object", _config_map(OTHER)),
    Broken("no rights", onlooker),
    Broken("expired credentials", _expired),
    Broken("login program fails", _login_fails),
    Broken("unreachable", _nowhere),
    Broken("silent", _silent),
    Broken("untrusted", _untrusted),
]
