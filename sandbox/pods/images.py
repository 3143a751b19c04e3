"""Programs that replace images, and the rights of their first process.

No image is pulled. The end of its name identifies an image, so any mirror or registry may be before it.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypedDict

from sandbox.cluster.api import Object


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
_PROXY = (
    ("/usr/local/bin/envoy", "envoy"),
    ("/var/lib/istio/envoy/envoy_bootstrap_tmpl.json", "istio-bootstrap"),
)
NEWEST_VLLM = "0.17.1"
_VLLM_OF_TAG = ((re.compile(r"v?0\.4\.5-debug"), NEWEST_VLLM), (re.compile(r"v?0\.(4|11)(\..*)?"), "0.11.2"))
"""vLLM's version by an image's tag. llm-d 0.4 has vLLM 0.11.2, llm-d 0.6 has 0.17.1; vLLM's own images have its
version as tag. The AMD guide's 0.4.5-debug is newer than 0.4: it has --attention-backend, which 0.11.2 lacks."""
_VLLM_OF_CUDA = re.compile(r"llm-d-(cuda|aws|gb200)[a-z0-9-]*")
_VLLM = re.compile(r"llm-d|llm-d-(rocm|cuda|aws|xpu|hpu|cpu|gb200)[a-z0-9-]*|llm-d-dev|vllm|vllm-openai[a-z0-9-]*")
_REFERENCE = re.compile(r"(?:.*/)?(?P<name>[^/:@]+)(?::(?P<tag>[^/@]+))?(?:@(?P<digest>.+))?")


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
    found = _REFERENCE.fullmatch(image)
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
