"""A container from the pod's specification, as a kubelet reads it: its program, rights, environment and command line.

No image is pulled. The end of its name identifies an image, so any mirror or registry may be before it.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, TypedDict

from components.quantity import amount
from sandbox.cluster.api import Object
from sandbox.cluster.control_plane import ADDRESS


@dataclass(frozen=True)
class User:
    """`USER` of an image, and its `HOME` if the image sets one: a folder that the user can write to."""

    number: int = 0
    group: int = 0
    home: str = ""


METRICS_INTERVAL = "150ms"
"""The EPP's interval for reading the workers' metrics. The default of 50 ms takes a quarter of a core without any
request, and 150 ms a twelfth. Its flow control takes a worker for full if the metrics are older than 200 ms."""
_NONROOT = User(65532, 65532)
"""User of upstream's picker and sidecar images."""
_ISTIO = User(1337, 1337)
"""User of istio's images."""
_CUDA = User(2000, 0, "/home/vllm")
"""User of llm-d's CUDA images (llm-d/llm-d, docker/Dockerfile.cuda). Its ROCm images and vLLM's own run as root."""
_PROXY = (("/usr/local/bin/envoy", "envoy"), ("/var/lib/istio/envoy/envoy_bootstrap_tmpl.json", "istio-bootstrap"))
NEWEST_VLLM = "0.17.1"
_VLLM_OF_TAG = ((re.compile(r"v?0\.4\.5-debug"), NEWEST_VLLM), (re.compile(r"v?0\.(4|11)(\..*)?"), "0.11.2"))
"""vLLM's version by an image's tag. llm-d 0.4 has vLLM 0.11.2, llm-d 0.6 has 0.17.1; vLLM's own images have its
version as tag. The AMD guide's 0.4.5-debug is newer than 0.4: it has --attention-backend, which 0.11.2 lacks."""
_VLLM_OF_CUDA = re.compile(r"llm-d-(cuda|aws|gb200)[a-z0-9-]*")
_VLLM = re.compile(r"llm-d|llm-d-(rocm|cuda|aws|xpu|hpu|cpu|gb200)[a-z0-9-]*|llm-d-dev|vllm|vllm-openai[a-z0-9-]*")
_IMAGE = re.compile(r"(?:.*/)?(?P<name>[^/:@]+)(?::(?P<tag>[^/@]+))?(?:@(?P<digest>.+))?")


class UnknownImage(Exception):
    """No program replaces this image; the text lists the images that can run."""


@dataclass(frozen=True)
class Program:
    """The program that replaces an image.

    `tool` is its name in the plan, "" if only the machine's own programs are needed. `path` is its path in the
    container, `entrypoint` the default command. `whole`: the image has shell and Python; other images contain only
    their program, as upstream. `vllm` is the version of the accepted flags, `user` the image's user. `files` are
    further files of the image: path and tool.
    """

    tool: str
    path: str
    entrypoint: tuple[str, ...]
    whole: bool
    vllm: str | None = None
    user: User = User()
    files: tuple[tuple[str, str], ...] = ()


def program(image: str, tools: Collection[str]) -> Program:
    """Return the program that replaces an image. Raises `UnknownImage`."""
    found = _IMAGE.fullmatch(image)
    name, tag = (found["name"], found["tag"] or "latest") if found else (image, "latest")
    answer = _program(name, tag)
    if answer and answer.tool in ("", *tools):
        return answer
    raise UnknownImage(
        f"the sandbox has no program for the image {image!r}. It runs {', '.join(_known(tools))}, "
        "each from any registry or mirror."
    )


def not_built(image: str, program: Program) -> str:
    """Return the message of a container that waits for a program that is not built yet."""
    return (
        f"the program for the image {image!r} isn't built yet. `make up` builds what the stack's settings ask for, "
        f"`.venv/bin/python -m sandbox.toolchain {program.tool}` this one; the container then starts by itself."
    )


def not_real(image: str, program: Program, version: str) -> str:
    """Return the message of a container with a vLLM that the sandbox can only simulate."""
    return (
        f"the image {image!r} carries vLLM {program.vllm}, and the sandbox's real vLLM is {version}: choose release "
        "0.6, or the simulator with `make up MODEL_SERVER=simulator`"
    )


def _program(name: str, tag: str) -> Program | None:
    if name in ("llm-d-inference-scheduler", "llm-d-router-endpoint-picker"):
        entrypoint = ("/app/epp", f"--refresh-metrics-interval={METRICS_INTERVAL}")  # the pod's arguments follow
        return Program(f"epp-{tag}", "/app/epp", entrypoint, whole=False, user=_NONROOT)
    if name in ("llm-d-routing-sidecar", "llm-d-router-disagg-sidecar"):
        return Program(f"pd-sidecar-{tag}", "/app/pd-sidecar", ("/app/pd-sidecar",), whole=False, user=_NONROOT)
    if name == "pilot":
        return Program(
            "pilot-discovery", "/usr/local/bin/pilot-discovery", ("pilot-discovery",), whole=False, user=_ISTIO
        )
    if name == "proxyv2":
        return Program(
            "pilot-agent", "/usr/local/bin/pilot-agent", ("pilot-agent",), whole=True, user=_ISTIO, files=_PROXY
        )
    if name == "pause":
        return Program("", "", ("/bin/sh", "-c", "trap 'exit 0' TERM INT; sleep infinity & wait"), whole=True)
    if name == "busybox":
        return Program("", "", ("/bin/sh",), whole=True)
    if name == "envoy":
        return Program("envoy", "/opt/envoy/envoy", ("envoy",), whole=True)
    if _VLLM.fullmatch(name):
        version = next((version for tags, version in _VLLM_OF_TAG if tags.fullmatch(tag)), NEWEST_VLLM)
        user = _CUDA if _VLLM_OF_CUDA.fullmatch(name) else User()
        return Program(
            "llm-d-inference-sim", "/opt/vllm/simulator", ("vllm", "serve"), whole=True, vllm=version, user=user
        )
    return None


def _known(tools: Collection[str]) -> list[str]:
    epps = [f"llm-d-inference-scheduler:{tool[4:]}" for tool in sorted(tools) if tool.startswith("epp-")]
    sidecars = [f"llm-d-routing-sidecar:{tool[11:]}" for tool in sorted(tools) if tool.startswith("pd-sidecar-")]
    return [
        *epps,
        *sidecars,
        "pilot",
        "proxyv2",
        "envoy",
        "pause",
        "busybox",
        "vLLM images (llm-d-cuda, llm-d-rocm, llm-d-xpu, vllm-openai, …)",
    ]


class Rights(TypedDict):
    """`groups` are supplementary. `dropped` = no capability. `confined` = no program adds rights."""

    user: int
    group: int
    groups: list[int]
    dropped: bool
    confined: bool


class RefusedError(Exception):
    """A kubelet would not start the container; the text is a kubelet's."""


def rights(pod: Object, container: Object, image_user: User) -> Rights:
    """Return the rights of a container. Raises `RefusedError` for a root user that the pod excludes.

    The sandbox ignores single capabilities and seccomp profiles: a container has the usual capabilities or none.
    """
    whole, own = pod["spec"].get("securityContext", {}), container.get("securityContext", {})
    context = {**whole, **own}
    user = context.get("runAsUser", image_user.number)
    if context.get("runAsNonRoot") and user == 0:
        raise RefusedError("container has runAsNonRoot and image will run as root")
    capabilities = own.get("capabilities", {})
    of_volumes = [whole["fsGroup"]] if "fsGroup" in whole else []
    return {
        "user": user,
        "group": context.get("runAsGroup", 0 if "runAsUser" in context else image_user.group),
        "groups": [*whole.get("supplementalGroups", []), *of_volumes],
        "dropped": "ALL" in capabilities.get("drop", []) and not capabilities.get("add"),
        "confined": own.get("allowPrivilegeEscalation") is False,
    }


Lookup = Callable[[str, str], Object | None]
"""Returns the ConfigMap or Secret ("configmap" or "secret", name) of the pod's namespace; None = it does not exist.
A Secret's data are plain text."""

_REFERENCE = re.compile(r"\$\$|\$\(([^()$]+)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_NAMES = {"configmap": "ConfigMap", "secret": "Secret"}


class ConfigError(Exception):
    """The container cannot be configured yet, because an object is missing. The text is a kubelet's."""


def environment(container: Object, pod: Object, lookup: Lookup, base: Mapping[str, str]) -> dict[str, str]:
    """Return `base` with the variables of a container. Raises `ConfigError`."""
    result = dict(base)
    for variable in container.get("env", []):
        value = _value(variable, container, pod, lookup, result)
        if value is not None:
            result[variable["name"]] = value
    return result


def service_links(services: Iterable[Object]) -> dict[str, str]:
    """Return the variables of Services (`enableServiceLinks`): pkg/kubelet/envvars/envvars.go, Kubernetes 1.34.

    A headless Service has none.
    """
    found: dict[str, str] = {}
    for service in services:
        address, ports = service["spec"].get("clusterIP", ""), service["spec"].get("ports", [])
        if address in ("", "None") or not ports:
            continue
        name = _variable(service["metadata"]["name"])
        host = f"[{address}]" if ":" in address else address
        found |= {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(ports[0]["port"])}
        for number, port in enumerate(ports):
            protocol = port.get("protocol", "TCP")
            url = f"{protocol.lower()}://{host}:{port['port']}"
            prefix = f"{name}_PORT_{port['port']}_{protocol}"
            if port.get("name"):
                found[f"{name}_SERVICE_PORT_{_variable(port['name'])}"] = str(port["port"])
            if number == 0:
                found[f"{name}_PORT"] = url
            found |= {
                prefix: url,
                f"{prefix}_PROTO": protocol.lower(),
                f"{prefix}_PORT": str(port["port"]),
                f"{prefix}_ADDR": address,
            }
    return found


def words(container: Object, entrypoint: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """Return the command line: `command` replaces the image's entrypoint, then come `args`."""
    command = container.get("command") or entrypoint
    return [expanded(word, variables) for word in (*command, *container.get("args", []))]


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value; unknown names stay, and $$ is a dollar."""
    return _REFERENCE.sub(lambda found: "$" if found[1] is None else variables.get(found[1], found[0]), text)


def field_value(path: str, pod: Object) -> str:
    """Return a field of the pod for a fieldRef; an unset field is empty."""
    metadata, status = pod["metadata"], pod.get("status", {})
    if found := _SUBSCRIPT.fullmatch(path):
        return str(metadata.get(found[1], {}).get(found[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries: dict[str, str] = metadata.get(path.partition(".")[2], {})
        return "\n".join(f"{name}={_quoted(value)}" for name, value in sorted(entries.items()))
    if path in ("status.podIPs", "status.hostIPs"):
        return ",".join(entry["ip"] for entry in status.get(path.partition(".")[2], []))
    value: Any = pod
    for name in path.split("."):
        value = value.get(name, {}) if isinstance(value, dict) else {}
    return value if isinstance(value, str) else ""


def resolver(pod: Object) -> str:
    """Return a pod's resolv.conf: the cluster's DNS, or with the `dnsPolicy` of its node none."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if policy != "ClusterFirstWithHostNet" and (policy != "ClusterFirst" or spec.get("hostNetwork")):
        return ""
    searched = f"{namespace}.svc.cluster.local svc.cluster.local cluster.local"
    return f"nameserver {ADDRESS}\nsearch {searched}\noptions ndots:5\n"


def resource(reference: Object, containers: Sequence[Object], own: Object | None) -> str:
    """Return the number for a resourceFieldRef; an unset limit is the request, else 0."""
    name = reference.get("containerName")
    container = next((one for one in containers if one["name"] == name), own) if name else own
    kind, _, what = reference["resource"].partition(".")
    resources = (container or {}).get("resources", {})
    quantity = resources.get(kind, {}).get(what) or resources.get("requests", {}).get(what) or "0"
    return str(ceil(amount(quantity) / (amount(reference.get("divisor") or "1") or 1)))


def _value(
    variable: Object, container: Object, pod: Object, lookup: Lookup, variables: Mapping[str, str]
) -> str | None:
    source = variable.get("valueFrom")
    if not source:
        return expanded(variable.get("value", ""), variables)
    if "fieldRef" in source:
        return field_value(source["fieldRef"]["fieldPath"], pod)
    if "resourceFieldRef" in source:
        spec = pod["spec"]
        return resource(source["resourceFieldRef"], [*spec.get("initContainers", []), *spec["containers"]], container)
    kind = "configmap" if "configMapKeyRef" in source else "secret"
    return _key(kind, source.get("configMapKeyRef") or source["secretKeyRef"], pod, lookup)


def _key(kind: str, reference: Object, pod: Object, lookup: Lookup) -> str | None:
    found = lookup(kind, reference["name"])
    value = None if found is None else found.get("data", {}).get(reference["key"])
    if value is not None or reference.get("optional"):
        return value
    if found is None:
        raise ConfigError(f'{kind} "{reference["name"]}" not found')
    whole = f"{pod['metadata']['namespace']}/{reference['name']}"
    raise ConfigError(f"couldn't find key {reference['key']} in {_NAMES[kind]} {whole}")


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
