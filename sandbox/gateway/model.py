"""What the gateways are to do, as plain data: listeners, routes, clusters, and verdicts on all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.gateway.classes import GatewayClass
from sandbox.gateway.store import Key, Object
from sandbox.gateway.traffic import Policy


@dataclass(frozen=True)
class Verdict:
    """One condition's content, without times and generations."""

    good: bool
    reason: str
    message: str = ""


Verdicts = dict[str, Verdict]
"""By condition type. `Conflicted` is the one whose good state is False in the API; here good means no conflict."""


@dataclass(frozen=True)
class Certificate:
    """A certificate chain and its key, in PEM."""

    chain: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Cluster:
    """Where requests can go: the endpoints of one port of a Service."""

    name: str
    endpoints: tuple[tuple[str, int], ...]
    policy: Policy = field(default_factory=Policy)
    http2: bool = False
    picked: bool = False
    """Whether the request's own header names the endpoint (the pool), rather than Envoy choosing."""


@dataclass(frozen=True)
class Picker:
    """Whom to ask before a request goes to a pool."""

    cluster: str
    fail_open: bool


@dataclass(frozen=True)
class Backend:
    """Where a share of a rule's requests goes; no cluster: it can't be resolved and answers 500."""

    cluster: str | None
    weight: int
    picker: Picker | None = None


@dataclass(frozen=True)
class Entry:
    """One match of one rule of a route."""

    name: str
    match: Mapping[str, Any]
    """An HTTPRoute's match as written; empty: everything."""
    backends: tuple[Backend, ...]
    timeouts: Mapping[str, str]
    prefix: str | None = None
    """What a URLRewrite filter puts in place of the matched path prefix; None: nothing is rewritten."""


@dataclass
class Listener:
    """One listener of a Gateway."""

    spec: Object
    verdicts: Verdicts
    kinds: list[dict[str, str]]
    certificates: tuple[Certificate, ...] = ()
    attached: int = 0

    @property
    def secure(self) -> bool:
        """Whether it speaks HTTPS."""
        return bool(self.spec["protocol"] == "HTTPS")

    @property
    def usable(self) -> bool:
        """Whether routes can attach to it."""
        return self.verdicts["Accepted"].good and bool(self.kinds) and (bool(self.certificates) or not self.secure)


@dataclass
class Gateway:
    """One Gateway of a class of ours."""

    spec: Object
    gateway_class: GatewayClass
    listeners: list[Listener]
    accepted: Verdict
    hosts: dict[int, dict[str, list[Entry]]]
    """By port and host name ("*" for any), best match first."""
    text_log: bool
    """Whether Telemetry asks for istio's own access log."""
    clusters: dict[str, Cluster] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.spec["metadata"]["namespace"], self.spec["metadata"]["name"]

    @property
    def certificates(self) -> dict[int, tuple[Certificate, ...]]:
        """By port; those of several listeners of one port together, to be chosen by the name that is asked for."""
        found: dict[int, tuple[Certificate, ...]] = {}
        for one in self.listeners:
            if one.usable and one.secure:
                found[one.spec["port"]] = (*found.get(one.spec["port"], ()), *one.certificates)
        return found

    @property
    def workload(self) -> Key:
        """Namespace and name of its Deployment and Service."""
        return self.key[0], self.gateway_class.workload(self.key[1])


@dataclass(frozen=True)
class RouteParent:
    """What one parent reference of a route came to."""

    reference: Object
    controller: str
    verdicts: Verdicts


@dataclass(frozen=True)
class PoolParent:
    """What one Gateway makes of a pool."""

    gateway: Key
    controller: str
    verdicts: Verdicts


@dataclass
class Model:
    """Everything there is to do."""

    gateways: dict[Key, Gateway] = field(default_factory=dict)
    routes: dict[Key, list[RouteParent]] = field(default_factory=dict)
    pools: dict[Key, list[PoolParent]] = field(default_factory=dict)
