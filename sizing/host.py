"""What a worker takes of its node's memory: its processes, what its flags move there, and /dev/shm."""

from collections.abc import Iterator
from typing import NamedTuple

from sizing.engine import GIB

PROCESS = 2.0
"""GiB that the API server, the engine and each GPU's process hold at least: PyTorch, the kernels, the vendor's runtime.
An assumption, and a low one."""

SHARED = 1.0
"""GiB of /dev/shm below which processes of several GPUs may not start: vLLM's queues take 0.2, and segments of NCCL had
33 MB each (llm-d/llm-d issue 352; NVIDIA's containers are documented with `--shm-size=1g`)."""


class Host(NamedTuple):
    """What a pod may take of its node, and what its flags ask for. GiB."""

    memory: float
    shared: float
    offloaded: float = 0.0
    """`--cpu-offload-gb`: weights of each GPU that stay in the node's memory."""
    kept: float = 0.0
    """`--kv-offloading-size`: KV cache of the worker in the node's memory."""

    def need(self, ranks: int) -> float:
        """GiB that the worker takes at least, without what its files occupy in the page cache."""
        return PROCESS * (ranks + 2) + self.offloaded * ranks + self.kept


def faults(host: Host, ranks: int) -> Iterator[tuple[str, str, str, str]]:
    """Setting of the tier, what is wrong, what would happen, and what to change."""
    need = host.need(ranks)
    if need > host.memory:
        parts = f"{ranks + 2} processes of at least {PROCESS:.0f} GiB"
        if moved := host.need(ranks) - PROCESS * (ranks + 2):
            parts += f", and {moved:.0f} GiB of weights or KV cache that flags move to the node"
        yield (
            "memory",
            f"gives a worker {host.memory:.0f} GiB of the node's memory, and it takes {need:.0f} or more: {parts}",
            "the kernel would kill the worker while it loads the model",
            f"{-(-need * 1.25 // 1):.0f}Gi, or less in these flags",
        )
    if ranks > 1 and host.shared < SHARED:
        yield (
            "shmSize",
            f"gives the processes of {ranks} GPUs {host.shared * GIB / 2**20:.0f} MiB of /dev/shm",
            "NCCL or RCCL may find no space there, and the worker would stop at start",
            f"{SHARED:.0f}Gi or more",
        )
