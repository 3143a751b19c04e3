"""Network isolation: lets through what serving needs, and nothing else."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.manifests import Manifest, data
from components.plan.isolation_args import NetworkIsolationArgs, PassageArgs, PeerArgs, PolicyArgs
from components.registration import declare_all


class NetworkIsolation(pulumi.ComponentResource):
    """NetworkPolicies for picker and workers. Policies add up: what needs more is another policy for the same pods."""

    policies: pulumi.Output[list[str]]
    """Names of the policies."""

    def __init__(self, name: str, args: NetworkIsolationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:NetworkIsolation", name, None, opts)
        args = NetworkIsolationArgs.of(args)
        declare_all(name, objects(args), pulumi.ResourceOptions(parent=self))
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
            {"spec": data(_spec(policy))},
        )
        for whom, policy in args.policies.items()
    ]


def _spec(policy: PolicyArgs) -> k8s.networking.v1.NetworkPolicySpecArgs:
    return k8s.networking.v1.NetworkPolicySpecArgs(
        pod_selector=_labels(policy.selector),
        policy_types=["Ingress", "Egress"],
        ingress=[
            k8s.networking.v1.NetworkPolicyIngressRuleArgs(from_=_peers(each.peers), ports=_ports(each))
            for each in policy.ingress
        ],
        egress=[
            k8s.networking.v1.NetworkPolicyEgressRuleArgs(to=_peers(each.peers), ports=_ports(each))
            for each in policy.egress
        ],
    )


def _peers(peers: Sequence[PeerArgs]) -> list[k8s.networking.v1.NetworkPolicyPeerArgs] | None:
    """None is everybody."""
    return [_peer(peer) for peer in peers] or None


def _peer(peer: PeerArgs) -> k8s.networking.v1.NetworkPolicyPeerArgs:
    if peer.addresses:
        block = k8s.networking.v1.IPBlockArgs(cidr=peer.addresses, except_=peer.without or None)
        return k8s.networking.v1.NetworkPolicyPeerArgs(ip_block=block)
    return k8s.networking.v1.NetworkPolicyPeerArgs(
        pod_selector=_labels(peer.pods) if peer.pods else None,
        namespace_selector=_labels(peer.namespaces) if peer.namespaces else None,
    )


def _ports(passage: PassageArgs) -> list[k8s.networking.v1.NetworkPolicyPortArgs] | None:
    """None is every port."""
    ports = [*(("TCP", port) for port in passage.tcp), *(("UDP", port) for port in passage.udp)]
    return [k8s.networking.v1.NetworkPolicyPortArgs(protocol=protocol, port=port) for protocol, port in ports] or None


def _labels(labels: dict[str, str]) -> k8s.meta.v1.LabelSelectorArgs:
    return k8s.meta.v1.LabelSelectorArgs(match_labels=labels)
