"""Network isolation: lets through what serving needs, and nothing else."""

from collections.abc import Sequence

import pulumi

from components.manifests import Fields, Manifest, given
from components.plan.platform_args import NetworkIsolationArgs, PassageArgs, PeerArgs, PolicyArgs
from components.registration import declare


class NetworkIsolation(pulumi.ComponentResource):
    """NetworkPolicies for picker and workers. Policies add up: a further policy for the same pods allows more."""

    policies: pulumi.Output[list[str]]

    def __init__(self, name: str, args: NetworkIsolationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:NetworkIsolation", name, None, opts)
        args = NetworkIsolationArgs.of(args)
        declare(name, objects(args), pulumi.ResourceOptions(parent=self))
        self.policies = pulumi.Output.from_input([policy.name for policy in args.policies.values()])
        self.register_outputs({"policies": self.policies})


def objects(args: NetworkIsolationArgs) -> list[Manifest]:
    """One NetworkPolicy for each kind of pods."""
    return [
        Manifest(
            whom,
            "networking.k8s.io/v1",
            "NetworkPolicy",
            policy.name,
            args.namespace,
            args.labels,
            {"spec": _spec(policy)},
        )
        for whom, policy in args.policies.items()
    ]


def _spec(policy: PolicyArgs) -> Fields:
    return {
        "podSelector": {"matchLabels": policy.selector},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [given({"from": _peers(each.peers), "ports": _ports(each)}) for each in policy.ingress],
        "egress": [given({"to": _peers(each.peers), "ports": _ports(each)}) for each in policy.egress],
    }


def _peers(peers: Sequence[PeerArgs]) -> list[Fields] | None:
    """Peers of a rule; None = no restriction."""
    return [_peer(peer) for peer in peers] or None


def _peer(peer: PeerArgs) -> Fields:
    if peer.addresses:
        return {"ipBlock": given({"cidr": peer.addresses, "except": peer.without or None})}
    selectors = {
        "podSelector": {"matchLabels": peer.pods} if peer.pods else None,
        "namespaceSelector": {"matchLabels": peer.namespaces} if peer.namespaces else None,
    }
    return given(selectors)


def _ports(passage: PassageArgs) -> list[Fields] | None:
    """Ports of a rule; None = every port."""
    ports = [*(("TCP", port) for port in passage.tcp), *(("UDP", port) for port in passage.udp)]
    return [{"protocol": protocol, "port": port} for protocol, port in ports] or None
