"""Which tools the pods of a stack need, read from its file."""

from pathlib import Path

from sandbox.stack_file import serving

_OF_RELEASE = {"0.4": ("epp-v0.4.0", "pd-sidecar-v0.4.0"), "0.6": ("epp-v0.7.1", "pd-sidecar-v0.7.1")}
_NEWEST = "0.6"
_ALWAYS = ("llm-d-inference-sim", "envoy")


def programs(stack_file: Path) -> set[str]:
    """Return names of `toolchain.DATA_PATH`. Raises `SandboxError` for a file that isn't YAML."""
    return {*_OF_RELEASE.get(str(serving(stack_file).get("release", _NEWEST)), ()), *_ALWAYS}
