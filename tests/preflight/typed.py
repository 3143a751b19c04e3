"""A cluster of typed facts: what is not written down is not there."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from components.plan import ServingPlan, resolve
from preflight.answers import Answer, Question, Unreachable
from preflight.facts import IDENTITY, Facts
from preflight.state import State
from tests.http_server import Handler, listening
from tests.stack_file import settings

NODES = "/api/v1/nodes?limit=500"
PODS = "/api/v1/pods?limit=500&fieldSelector=status.phase!=Succeeded,status.phase!=Failed,spec.nodeName!="
UID = "1111"
SPACE = "/api/v1/namespaces/llm-d-pd"
CLASSES = "/apis/gateway.networking.k8s.io/v1/gatewayclasses"
KUBECONFIG = """
current-context: typed
contexts: [{{name: typed, context: {{cluster: typed}}}}]
clusters: [{{name: typed, cluster: {{server: "{server}"}}}}]
"""
"""Leads to a `server`."""


@dataclass
class Typed:
    """Answers by path."""

    answers: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    """Refusals by path."""
    rights: bool = True
    """Whether every review says yes."""
    gone: bool = False
    """Whether the API server does not answer."""
    dry: dict[str, Answer] = field(default_factory=dict)
    """Answers to dry runs, by a part of the path or of the object."""
    change: Callable[[Any], Any] | None = None
    """What admission changes in pods."""
    name: str = "context typed"
    asked: list[Question] = field(default_factory=list)

    def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        if self.gone:
            raise Unreachable("the API server does not answer: typed")
        if question == IDENTITY and question.path not in self.answers and question.path not in self.codes:
            return Answer(200, {"metadata": {"uid": UID}})
        if "?dryRun=All" in question.path:
            return self._dry_run(question)
        if question.body:
            rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
            status = {"allowed": self.rights, "resourceRules": rules if self.rights else []}
            return Answer(201, {"spec": json.loads(question.body)["spec"], "status": status})
        if question.path in self.answers:
            body = self.answers[question.path]
            if question.metadata_only and "items" not in body:
                body = {"metadata": body["metadata"]}
            return Answer(200, listed(*map(question.kept, body["items"])) if question.kept else body)
        return Answer(self.codes.get(question.path, 404), {"message": "typed refusal"})

    def _dry_run(self, question: Question) -> Answer:
        """The object as it was sent, unless `dry` has an answer for a part of it."""
        for part, answer in self.dry.items():
            if part in question.path + question.body:
                return answer
        body = json.loads(question.body)
        if self.change and body["kind"] == "Pod":
            self.change(body)
        return Answer(201, body)

    def ask_all(self, questions: Collection[Question]) -> Mapping[Question, Answer]:
        return {each: self.ask(each) for each in questions}


def plan(**changes: Any) -> ServingPlan:
    """The plan of a minimal stack with `changes`."""
    return resolve(settings(**changes), None)


def facts(cluster: Typed, state: State | None = None, **changes: Any) -> Facts:
    return Facts(plan(**changes), cluster, state or State())


def node(name: str, *, taints: Any = None, cordoned: bool = False, ready: bool = True, **has: Any) -> dict[str, Any]:
    """A node of 256 CPUs; `gpu` and `rdma` are its devices, other words its labels."""
    devices = {"amd.com/gpu": has.pop("gpu", 8), "rdma/ib": has.pop("rdma", 1000)}
    allocatable = {"cpu": "256", "memory": "3Ti", "pods": "110", "ephemeral-storage": "28Ti"} | {
        key: str(amount) for key, amount in devices.items() if amount
    }
    labels = {"kubernetes.io/hostname": name, **has}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints, "unschedulable": cordoned},
        "status": {"allocatable": allocatable, "conditions": conditions},
    }


def pod(
    name: str,
    on: str,
    *,
    namespace: str = "training",
    owner: str = "",
    labels: Any = None,
    ports: Any = (),
    **needs: str,
) -> dict[str, Any]:
    """A running pod; `gpu`, `cpu` and `memory` are its requests."""
    requests = {{"gpu": "amd.com/gpu"}.get(key, key): amount for key, amount in needs.items()}
    references = [{"kind": "ReplicaSet", "name": owner}] if owner else []
    container = {"resources": {"requests": requests}, "ports": [{"hostPort": each} for each in ports]}
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}, "ownerReferences": references}
    return {"metadata": metadata, "spec": {"nodeName": on, "containers": [container]}}


def listed(*items: Any) -> dict[str, Any]:
    return {"items": list(items)}


def whole(**changes: Any) -> dict[str, Any]:
    """A cluster on which nothing is wrong."""
    groups = {
        "gateway.networking.k8s.io/v1": ["Gateway", "HTTPRoute"],
        "inference.networking.k8s.io/v1": ["InferencePool"],
        "networking.istio.io/v1beta1": ["DestinationRule"],
        "monitoring.coreos.com/v1": ["PodMonitor", "PrometheusRule", "ServiceMonitor"],
    }
    accepted = {"conditions": [{"type": "Accepted", "status": "True"}]}
    return {
        "/version": {"gitVersion": "v1.34.1"},
        **{f"/apis/{name}": {"resources": [{"kind": each} for each in all]} for name, all in groups.items()},
        CLASSES: listed(
            {
                "metadata": {"name": "istio"},
                "spec": {"controllerName": "istio.io/gateway-controller"},
                "status": accepted,
            }
        ),
        NODES: listed(node("a")),
        PODS: listed(),
        f"{SPACE}/secrets/llm-d-hf-token": {"data": {"HF_TOKEN": "eA=="}},
        SPACE: {"metadata": {"labels": {}}},
        **changes,
    }


@contextmanager
def serving(cluster: Typed) -> Iterator[str]:
    """The cluster behind a real HTTP server; yields its URL."""

    class Server(Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.body().decode()
            metadata_only = "PartialObjectMetadata" in self.headers["Accept"]
            answer = cluster.ask(Question(self.path, body, self.command == "PATCH", metadata_only))
            self.answer(answer.code, json.dumps(answer.body).encode())

        do_POST = do_PATCH = do_GET

    with listening(Server) as port:
        yield f"http://127.0.0.1:{port}"
