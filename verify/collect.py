"""The file for a maintainer who cannot see the cluster: versions, settings, objects, events, restarts and log lines.

Secrets and addresses are removed. Each address and each host has the same short name everywhere.
"""

import importlib.metadata
import json
import platform
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from verify import outputs
from verify.cluster import Cluster, Object
from verify.finding import Unreachable, VerifyError
from verify.pods import container_statuses, name
from verify.redaction import REMOVED, Redaction
from verify.waiting import exits, when

_PACKAGES = ("pulumi", "pulumi-kubernetes", "kubernetes", "pydantic")
_KINDS = {
    "/apis/apps/v1": ("deployments", "replicasets"),
    "/api/v1": ("pods", "services", "persistentvolumeclaims", "resourcequotas", "limitranges"),
    "/apis/inference.networking.k8s.io/v1": ("inferencepools",),
    "/apis/gateway.networking.k8s.io/v1": ("gateways", "httproutes"),
    "/apis/networking.k8s.io/v1": ("networkpolicies",),
    "/apis/networking.istio.io/v1": ("destinationrules",),
    "/apis/policy/v1": ("poddisruptionbudgets",),
}
"""Kinds with objects that say how requests and KV blocks go. No Secret is read."""
_SHOWN = re.compile(
    r"^(UCX|VLLM|NIXL|NCCL|RCCL|FI|HIP|ROCM|CUDA|NVIDIA|LD|PYTHON|TORCH|TRITON|OMP|HF_HUB|HF_HOME|XDG|HOME|PATH)(_|$)"
)
"""Variables that are shown with their values. Other values, and those of a name like a secret's, are removed."""
_HIDDEN = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_TELLING = re.compile(
    r"\b(error|warn(ing)?|critical|fatal|panic|exception|traceback)\b|nixl|ucx|ucp_|uct_|rdma|kv[ _-]?(cache|transfer)|"
    r"fall(ing)?[ -]?back|handshake|version|non-default args|exit",
    re.IGNORECASE,
)
"""Log lines of vLLM, UCX, NIXL, sidecar, EPP and proxy that matter to a maintainer."""
_FIRST, _LAST, _LONGEST = 40, 120, 600
_BYTES = str(8 * 1024 * 1024)


def namespace_of(stack: str) -> str:
    """Return the namespace of a stack from its state, which a failed `up` has too. Raises `VerifyError`."""
    for resource in json.loads(_pulumi("stack", "export", "--stack", stack)).get("deployment", {}).get("resources", []):
        metadata = (resource.get("inputs") or {}).get("metadata") or {}
        if resource["type"] == "kubernetes:apps/v1:Deployment" and metadata.get("namespace"):
            return str(metadata["namespace"])
    raise VerifyError(f"stack {stack!r} has no Deployment in its state, so there is nothing to report")


def settings_of(stack: str) -> Any:
    """Return the stack's settings, without the values of encrypted ones. Raises `VerifyError`."""
    document: dict[str, dict[str, Any]] = json.loads(_pulumi("config", "--stack", stack, "--json"))
    return {
        key: REMOVED if each.get("secret") else each.get("objectValue", each.get("value"))
        for key, each in document.items()
    }


def context_of(settings: Any) -> str | None:
    """Return the kubeconfig's context that the settings name; None: the current one."""
    serving = settings.get("llm-d-pd:serving") or {}
    serving = json.loads(serving) if isinstance(serving, str) else serving
    context = (serving.get("cluster") or {}).get("context")
    return None if context is None else str(context)


def text(cluster: Cluster, namespace: str, settings: Any, verification: str, *, hide: Sequence[str] = ()) -> str:
    """Return the whole file. `hide`: further names, such as the kubeconfig's context."""
    nodes = _listed(cluster, "/api/v1/nodes")
    hosts = [cluster.server.rpartition("://")[2].rpartition(":")[0], *hide]
    for node in [] if isinstance(nodes, str) else nodes:
        hosts += [name(node), *(one["address"] for one in node["status"].get("addresses") or [])]
    redacted = Redaction(hosts=[host for host in hosts if not re.fullmatch(r"[\d.:\[\]]*", host)])
    objects = {
        plural: _listed(cluster, f"{api}/namespaces/{namespace}/{plural}") for api in _KINDS for plural in _KINDS[api]
    }
    pods = objects["pods"] if isinstance(objects["pods"], list) else []
    sections = {
        "verification": verification,
        "versions": {**_versions(cluster), "nodes": nodes if isinstance(nodes, str) else list(map(_node, nodes))},
        "settings": settings,
        "restarts": [line for pod in pods for line in _restarts(pod)],
        "events": _events(cluster, namespace),
        "objects": {
            plural: found if isinstance(found, str) else list(map(_object, found)) for plural, found in objects.items()
        },
        "endpoint picker configuration": _configurations(cluster, namespace),
        "log lines": {label: lines for pod in pods for label, lines in _logs(cluster, namespace, pod, redacted)},
    }
    made = (
        f"Report of a stack of llm-d-pd, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. Secrets and addresses are removed.\n"
    )
    return made + "".join(f"\n## {title}\n\n{_written(_leaves(body, redacted))}\n" for title, body in sections.items())


def _leaves(value: Any, redacted: Redaction) -> Any:
    """Redact each text by itself: YAML's quotes would hide what stands in quotes."""
    if isinstance(value, dict):
        return {redacted(str(key)): _leaves(each, redacted) for key, each in value.items()}
    if isinstance(value, list):
        return [_leaves(each, redacted) for each in value]
    return redacted(value) if isinstance(value, str) else value


def _written(body: Any) -> str:
    if isinstance(body, str):
        return body
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=1000).rstrip() if body else "none"


def _versions(cluster: Cluster) -> dict[str, str]:
    found = {package: _installed(package) for package in _PACKAGES}
    try:
        server = str(cluster.get("/version").get("gitVersion"))
    except Unreachable as hidden:
        server = str(hidden)
    return {"Pulumi CLI": _cli(), "Python": platform.python_version(), "Kubernetes": server, **found}


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _cli() -> str:
    try:
        return _pulumi("version").strip()
    except VerifyError:
        return "not on PATH"


def _node(node: Object) -> Object:
    info = node["status"].get("nodeInfo", {})
    labels = node["metadata"].get("labels") or {}
    return {
        "name": name(node),
        **{key: info.get(key) for key in ("kubeletVersion", "kernelVersion", "osImage", "containerRuntimeVersion")},
        "gpu": {key: value for key, value in labels.items() if "gpu" in key},
        "allocatable": node["status"].get("allocatable"),
        "taints": node.get("spec", {}).get("taints"),
        "conditions": {one["type"]: one["status"] for one in node["status"].get("conditions") or []},
    }


def _object(one: Object) -> Object:
    """Return an object without the server's bookkeeping and without values of variables that may be secret."""
    metadata = {
        key: value for key, value in one["metadata"].items() if key not in ("managedFields", "uid", "resourceVersion")
    }
    metadata["annotations"] = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if "last-applied" not in key
    }
    result: Object = json.loads(json.dumps({**one, "metadata": metadata}))
    _hide_variables(result)
    return result


def _hide_variables(value: Any) -> None:
    if isinstance(value, list):
        for each in value:
            _hide_variables(each)
    if isinstance(value, dict):
        for variable in value.get("env") or [] if isinstance(value.get("env"), list) else []:
            shown = _SHOWN.match(variable["name"]) and not _HIDDEN.search(variable["name"])
            if "value" in variable and not shown:
                variable["value"] = REMOVED
        for each in value.values():
            _hide_variables(each)


def _restarts(pod: Object) -> Iterator[str]:
    for status in container_statuses(pod):
        count, code = exits(status)
        if count:
            yield f"{name(pod)} {status['name']}: ended {count} times, last with code {code}"


def _events(cluster: Cluster, namespace: str) -> Any:
    found = _listed(cluster, f"/api/v1/namespaces/{namespace}/events")
    if isinstance(found, str):
        return found
    return [
        f"{when(one)} {one.get('type')} {one.get('reason')} {one['involvedObject'].get('kind')}/"
        f"{one['involvedObject'].get('name')} x{one.get('count') or 1}: {one.get('message', '')}"
        for one in sorted(found, key=when)
    ]


def _configurations(cluster: Cluster, namespace: str) -> Any:
    """Return the configuration files of EPPs; other ConfigMaps may hold anything."""
    maps = _listed(cluster, f"/api/v1/namespaces/{namespace}/configmaps")
    if isinstance(maps, str):
        return maps
    texts = [(name(one), text) for one in maps for text in (one.get("data") or {}).values()]
    return {owner: text for owner, text in texts if "EndpointPickerConfig" in text}


def _logs(cluster: Cluster, namespace: str, pod: Object, redacted: Redaction) -> Iterator[tuple[str, list[str]]]:
    for status in container_statuses(pod):
        for previous in ("false", "true") if exits(status)[0] else ("false",):
            label = f"{name(pod)} {status['name']}{' (previous)' if previous == 'true' else ''}"
            try:
                log = cluster.log(namespace, name(pod), status["name"], previous=previous, limitBytes=_BYTES)
            except Unreachable as hidden:
                yield label, [f"can't be read: {hidden}"]
                continue
            lines = [line[:_LONGEST] for line in redacted(log).splitlines() if _TELLING.search(line)]
            left_out = len(lines) - _FIRST - _LAST
            if left_out > 0:
                lines = [*lines[:_FIRST], f"… {left_out} lines left out …", *lines[-_LAST:]]
            yield label, lines


def _listed(cluster: Cluster, path: str) -> list[Object] | str:
    """Return the objects of a list, or why they can't be read."""
    try:
        return list(cluster.get(path)["items"])
    except Unreachable as hidden:
        return f"can't be read: {hidden}"


def _pulumi(*words: str) -> str:
    done = outputs.pulumi(*words)
    if done is None:
        raise VerifyError("the Pulumi CLI isn't on PATH")
    if done.returncode:
        raise VerifyError(f"`pulumi {' '.join(words)}` says: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
