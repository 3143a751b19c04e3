"""A node as the pod runner has it: a network namespace with its address, for its host-network pods and its kubelet."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.pods import network
from sandbox.pods.runtime import Runtime

if TYPE_CHECKING:
    from sandbox.pods.pod import Pod

Find = Callable[[str, str], "Pod | None"]
"""Returns the running pod of that namespace and name."""


class Node:
    """One node; `network` is its open network namespace."""

    def __init__(self, name: str, address: str, runtime: Runtime, find: Find) -> None:
        self.name, self.address = name, address
        self.network = network.make(address)

    def close(self) -> None:
        """Give its network up; it is gone once its pods are."""
        os.close(self.network)
