"""A node as the pod runner has it: a network namespace with its address, for its host-network pods and its kubelet."""

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.pods import kubelet, network

if TYPE_CHECKING:
    from sandbox.pods.pod import Pod

Find = Callable[[str, str], "Pod | None"]
"""Returns the running pod of that namespace and name."""


class Node:
    """One node. Its network is made when its first pod comes, as there may be hundreds of nodes without any."""

    def __init__(self, address: str, certificates: ssl.SSLContext, find: Find) -> None:
        self.address = address
        self.network = -1
        """Its open network namespace, once `open` has returned."""
        self._certificates, self._find = certificates, find
        self._server: asyncio.Server | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Make the network and let the kubelet listen, once."""
        async with self._opening:
            if self.network >= 0:
                return
            self.network = await asyncio.to_thread(network.make, self.address)
            listening = network.listen(self.network, self.address, kubelet.PORT)
            answer = kubelet.Kubelet(self._find).serve
            self._server = await asyncio.start_server(answer, sock=listening, ssl=self._certificates)

    def close(self) -> None:
        """Give its network up; it is gone once its pods are."""
        if self._server:
            self._server.close()
        if self.network >= 0:
            os.close(self.network)
