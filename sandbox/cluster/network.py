"""The private network of a sandbox: one bridge with fixed addresses, and the networks of pods."""

import subprocess

from sandbox.errors import SandboxError

BRIDGE = "sandbox0"
ADDRESS = "10.244.255.254"
"""The API server's address for pods, fixed before its certificate is made."""

_COMMANDS = (
    "link set lo up",
    f"link add {BRIDGE} type bridge",
    f"addr add {ADDRESS}/16 dev {BRIDGE}",
    f"link set {BRIDGE} up",
    f"route add default dev {BRIDGE}",  # leads nowhere; the API server requires one
)


def build() -> None:
    """Make the network of this new namespace. Raises `SandboxError` when `ip` is missing or fails."""
    try:
        subprocess.run(["ip", "-batch", "-"], input="\n".join(_COMMANDS), text=True, check=True, capture_output=True)
    except FileNotFoundError:
        raise SandboxError("the command `ip` (package iproute2) is not installed") from None
    except subprocess.CalledProcessError as error:
        raise SandboxError(f"`ip` could not make a private network: {error.stderr.strip()}") from None
