"""What a stack needs of the sandbox, read from its file: tools for its pods, a controller for its Gateway."""

from pathlib import Path

from sandbox.gateways.istio import PROVIDERS
from sandbox.stack_file import mapping, serving
from sandbox.toolchain import ISTIO

_OF_RELEASE = {"0.4": ("epp-v0.4.0", "pd-sidecar-v0.4.0"), "0.6": ("epp-v0.7.1", "pd-sidecar-v0.7.1")}
_NEWEST = "0.6"
_ALWAYS = ("llm-d-inference-sim", "envoy")


def programs(stack_file: Path, *, pods: bool) -> set[str]:
    """Return names of `toolchain.DATA_PATH`: the controller whose class preflight looks for, and with `pods` the rest.

    Raises `SandboxError` for a file that isn't YAML.
    """
    of_release = _OF_RELEASE.get(str(serving(stack_file).get("release", _NEWEST)), ())
    return {*((*of_release, *_ALWAYS) if pods else ()), *(ISTIO if istio(stack_file) else ())}


def istio(stack_file: Path) -> str | None:
    """Return the namespace of the installation of istio that serves the stack's Gateway; None for another provider."""
    return PROVIDERS.get(str(mapping(serving(stack_file).get("gateway")).get("provider", "istio")))
