"""Arguments of the network isolation: who may speak to whom."""

from components.args import Args


class PeerArgs(Args):
    """The other end of a connection: pods, or addresses."""

    pods: dict[str, str] = {}
    """Labels of the pods; empty: all pods of the namespaces."""
    namespaces: dict[str, str] = {}
    """Labels of their namespaces; empty: the policy's own."""
    addresses: str | None = None
    """Addresses instead of pods, as CIDR."""
    without: list[str] = []
    """Addresses among those that are not meant."""


class PassageArgs(Args):
    """Connections that are let through."""

    peers: list[PeerArgs] = []
    """With whom; empty: everybody."""
    tcp: list[int] = []
    udp: list[int] = []
    """UDP ports; neither TCP nor UDP ports: every port."""


class PolicyArgs(Args):
    """A NetworkPolicy; what it does not name is refused."""

    name: str
    selector: dict[str, str]
    ingress: list[PassageArgs]
    egress: list[PassageArgs]


class NetworkIsolationArgs(Args):
    """One policy for each kind of pod."""

    namespace: str
    labels: dict[str, str]
    policies: dict[str, PolicyArgs]
    """By what they protect."""
