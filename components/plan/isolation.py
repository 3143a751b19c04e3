"""Decides the NetworkPolicies of `serving.security.level: locked`: which peers may connect to which pods.

The policies protect the endpoint picker and the workers. A Gateway's proxies belong to its controller, so no policy
selects them.
"""

from components.config.vocabulary import Role, SecurityLevel
from components.names import INSTANCE, NAMESPACE_NAME, PICKER_PORTS, TRIAL_LABEL, gateway_pods
from components.plan.context import Context
from components.plan.endpoint import endpoint
from components.plan.platform_args import NetworkIsolationArgs, PassageArgs, PeerArgs, PolicyArgs
from components.plan.workers import OTHER, Tiers

DNS = PassageArgs(tcp=[53, 5353], udp=[53, 5353])
"""Name resolution, at every address: name servers are pods, or run on the node. OpenShift's listen on 5353."""

API_SERVER = PassageArgs(tcp=[443, 6443])
"""The API server, at every address: it is no pod, and policies see the server's address instead of its Service's."""

INTERNET = PassageArgs(
    peers=[
        PeerArgs(
            addresses="0.0.0.0/0",
            without=["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"],
        ),
        PeerArgs(addresses="::/0", without=["fc00::/7", "fe80::/10"]),
    ],
    tcp=[443],
)
"""Every public address, because Hugging Face and its stores have no fixed ones; private networks are left out."""


def isolation(context: Context, tiers: Tiers) -> NetworkIsolationArgs | None:
    """The policies, if the stack asks for them."""
    settings, names = context.settings, context.names
    if settings.security.level is SecurityLevel.STANDARD:
        return None
    # No policy applies to pods on the host network.
    reached = [role for role, tier in tiers.items() if not tier.host_network]
    policies = {"picker": _picker(context, reached), **{role.value: _tier(context, role) for role in reached}}
    return NetworkIsolationArgs(namespace=settings.namespace, labels=names.generation_labels, policies=policies)


def _picker(context: Context, reached: list[Role]) -> PolicyArgs:
    names, events = context.names, context.cache_events
    workers = [PeerArgs(pods=names.pool_selector)] if reached else []
    return PolicyArgs(
        name=names.picker,
        selector=names.picker_selector,
        ingress=[
            PassageArgs(peers=_gateway(context), tcp=[PICKER_PORTS["grpc"]]),
            *_health_checks(context, PICKER_PORTS["grpc"], PICKER_PORTS["grpc-health"]),
            *_monitoring(context, PICKER_PORTS["metrics"]),
            *([PassageArgs(peers=workers, tcp=[events.listens])] if events.listens else []),
        ],
        # The picker reads the metrics of every worker on the pool's port: on decode, through the sidecar.
        egress=[
            PassageArgs(peers=workers, tcp=[context.settings.ports.serving, *([events.asks] if events.asks else [])]),
            API_SERVER,
            DNS,
            *_traces(context),
        ],
    )


def _tier(context: Context, role: Role) -> PolicyArgs:
    names, serving = context.names, context.settings.ports.serving
    # Every port: prefill requests, NIXL's side channel, and KV blocks, for which UCX uses any free ports on both sides.
    other = PassageArgs(peers=[PeerArgs(pods=names.worker_selector(OTHER[role]))])
    events = context.cache_events
    pickers = [PeerArgs(pods=names.picker_selector)]
    picker = PassageArgs(peers=pickers, tcp=[serving, *([events.asks] if events.asks else [])])
    published = [PassageArgs(peers=pickers, tcp=[events.listens])] if events.listens else []
    downloads = context.settings.model.path is None
    return PolicyArgs(
        name=names.tier(role),
        selector=names.worker_selector(role),
        ingress=[
            PassageArgs(peers=_gateway(context), tcp=[serving]),
            *_health_checks(context, serving),
            picker,
            other,
            *_monitoring(context, context.vllm_port(role)),
            *_trial(context, context.vllm_port(role)),
        ],
        egress=[other, DNS, *published, *([INTERNET] if downloads else []), *_traces(context)],
    )


def _gateway(context: Context) -> list[PeerArgs]:
    ranges = [PeerArgs(addresses=each) for each in context.settings.security.gateway_ranges]
    if context.provider.service_suffix is None:  # a load balancer outside the cluster
        return ranges
    if context.provider.own_proxies:
        return [PeerArgs(pods=context.names.gateway_selector), *ranges]
    target = endpoint(context)
    elsewhere = target.namespace != context.settings.namespace
    proxies = PeerArgs(
        pods=gateway_pods(target.gateway),
        namespaces={NAMESPACE_NAME: target.namespace} if elsewhere else {},
    )
    return [proxies, *ranges]


def _health_checks(context: Context, *ports: int) -> list[PassageArgs]:
    """Health checks of a load balancer outside the cluster. Probes come from the pod's own node and need no rule."""
    ranges = [PeerArgs(addresses=each) for each in context.provider.health_checks]
    return [PassageArgs(peers=ranges, tcp=list(ports))] if ranges else []


def _monitoring(context: Context, port: int) -> list[PassageArgs]:
    """Peers that may read metrics; the workers' metrics need no token."""
    settings = context.settings
    if not settings.monitoring.enabled:
        return []
    collector = context.provider.collectors.get(settings.gateway.autopilot, "llm-d-monitoring")
    namespaces = settings.security.monitoring_namespace or {NAMESPACE_NAME: collector}
    return [PassageArgs(peers=[PeerArgs(namespaces=namespaces)], tcp=[port])]


def _trial(context: Context, port: int) -> list[PassageArgs]:
    """The Job that tries the generation reads the workers' counters."""
    trial = PeerArgs(pods={INSTANCE: context.names.instance, **TRIAL_LABEL})
    return [PassageArgs(peers=[trial], tcp=[port])] if context.settings.rollout.trial else []


def _traces(context: Context) -> list[PassageArgs]:
    """Connections to the collector of traces, at every address: only its name is known."""
    tracing = context.settings.tracing
    return [PassageArgs(tcp=[int(tracing.endpoint.rpartition(":")[2])])] if tracing else []
