"""Shows running pods, and why others wait: the reason, the end of the log, and the setting to change."""

import json
import re
from dataclasses import dataclass
from typing import Any

from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, ApiError, Object, connect
from sandbox.cluster.description import GPU_RESOURCE
from sandbox.home import Home, stack_outputs
from sandbox.progress import Progress
from sandbox.talking import pods
from sandbox.talking.pods import Pod
from verify import watch
from verify.finding import Unreachable
from verify.waiting import Trouble

_HERE: tuple[tuple[str, str], ...] = (
    (r"no nodes available", "`make up` makes the simulated nodes: of serving.accelerator, or of CLUSTER=…"),
    (r"Insufficient \w+\.com/gpu", "here: make up NODES=…, or other nodes: make up CLUSTER=…"),
    (r"Insufficient (?!\w+\.com/gpu)[\w.-]+/", "here: nodes with other devices: make up CLUSTER=…"),
    (r"free ports|anti-affinity", "here: make up NODES=2"),
)
"""What the sandbox itself can change, by words of a message."""

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Situation:
    """Nodes, pods and what is wrong with them at one moment."""

    nodes: list[dict[str, Any]]
    pods: list[Pod]
    waiting: list[str]

    @classmethod
    def now(cls, api: Api) -> "Situation":
        """Read the present situation from the API server."""
        reading, listed = _Reading(api), sorted(pods.listed(api), key=lambda pod: (pod.namespace, pod.name))
        sets = api.get("/apis/apps/v1/replicasets")["items"]
        namespaces = sorted({*(pod.namespace for pod in listed), *(one["metadata"]["namespace"] for one in sets)})
        troubles = [(place, one) for place in namespaces for one in watch.read(reading, place).troubles({})]
        return cls(api.get("/api/v1/nodes")["items"], listed, [shown(reading, place, one) for place, one in troubles])

    def lines(self) -> list[str]:
        """Return lines for the user: each node with its pods and GPUs, then what waits."""
        text = []
        for node in self.nodes:
            name = node["metadata"]["name"]
            here = [pod for pod in self.pods if pod.node == name and pod.state not in _ENDED]
            for resource in GPU_RESOURCE.values():
                if resource in node["status"]["allocatable"]:
                    total = int(node["status"]["allocatable"][resource])
                    used = sum(pod.gpus for pod in here)
                    text.append(f"{name}  {used} of {total} {resource} in use, {total - used} free")
            text += [f"    {_name(pod.object)}  {pod.state}{_gpu_text(pod)}" for pod in here]
        return [*text, *(["waiting"] if self.waiting else []), *(f"  {one}" for one in self.waiting)]


def _name(one: dict[str, Any]) -> str:
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"


class _Reading:
    """The sandbox's API server, as `verify.watch` reads a cluster."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, path: str, **query: str) -> Object:
        try:
            return self._api.get(path, **query)
        except ApiError as error:
            raise Unreachable(str(error), "", missing=error.code == 404) from None

    def log(self, namespace: str, pod: str, container: str, **query: str) -> str:
        try:
            return self._api.text(f"/api/v1/namespaces/{namespace}/pods/{pod}/log", container=container, **query)
        except ApiError as error:
            raise Unreachable(str(error), "") from None


def shown(source: watch.Source, namespace: str, trouble: Trouble) -> str:
    """Return why pods wait, the end of the log, and the setting, with what the sandbox itself can change."""
    lines = "".join(f"\n      | {line}" for line in watch.last_lines(source, namespace, trouble))
    here = "".join(f"; {remedy}" for pattern, remedy in _HERE if re.search(pattern, trouble.what))
    return f"{namespace}: {trouble.text}{lines}\n    → {trouble.change}{here}"


def _gpu_text(pod: Pod) -> str:
    return f", {pod.gpus} GPU{'s' if pod.gpus > 1 else ''}" if pod.gpus else ""


def show(home: Home, report: Progress, *, outputs: bool = False) -> None:
    """Print the pods and GPUs of each node, what waits and why, and with `outputs` the stacks' outputs."""
    keeper = lifecycle.last_keeper(home.cluster)
    if keeper:
        report.say(
            f"\nSandbox {home.name!r}, API server https://127.0.0.1:{keeper.port} from outside ({home.host_kubeconfig})"
        )
    with connect(home.host_kubeconfig) as api:
        for line in Situation.now(api).lines():
            report.say(line)
    if outputs:
        for stack, values in stack_outputs(home).items():
            report.say(f"outputs of stack {stack}")
            for key, value in values.items():
                report.say(f"    {key}: {value if isinstance(value, str) else json.dumps(value)}")
