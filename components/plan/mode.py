"""How workers share their nodes: on the pod network, or in host-network mode. Nothing else reads that setting."""

from dataclasses import dataclass

from components.config.settings import Serving
from components.config.vocabulary import Capability
from components.plan.worker_args import Strategy


@dataclass(frozen=True)
class Mode:
    """What a mode decides about every tier. It overrides the infrastructure, and tier settings if a field says so."""

    setting: str = ""
    """The setting that chooses it, for messages."""
    host_network: bool = False
    """Pods are on the network of their node: ports are the node's, and no NetworkPolicy reaches the pods."""
    privileged: bool = False
    """Containers see every device of the node; pods request no RDMA device, whatever the settings say."""
    whole_node: bool = False
    """A worker uses all GPUs of a node and a tier is one worker, whatever the tier's settings say."""
    apart: bool = False
    """Pods of the two tiers never share a node."""
    capabilities: tuple[Capability, ...] = ()
    shm_size: str | None = None
    """Size of /dev/shm unless the tier says otherwise; None: the infrastructure's."""
    strategy: Strategy = Strategy.ROLLING


POD_NETWORK = Mode()

HOST_NETWORK = Mode(
    setting="serving.hostNetwork: true",
    host_network=True,
    privileged=True,
    whole_node=True,
    apart=True,
    capabilities=(Capability.IPC_LOCK, Capability.SYS_PTRACE),
    shm_size="64Gi",
    strategy=Strategy.RECREATE,  # host ports and GPUs of a node are not free before the old pod has ended
)
"""For RDMA debugging. Source: the guide's host-network stack."""


def mode(settings: Serving) -> Mode:
    """The mode that the settings choose."""
    return HOST_NETWORK if settings.host_network else POD_NETWORK
