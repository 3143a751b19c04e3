"""The GatewayClasses that controllers of real clusters offer, and how those controllers differ: a line each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CONFIG_MAP = ("", "ConfigMap")
KGATEWAYS = ("gateway.kgateway.dev", "GatewayParameters")
AGENTGATEWAYS = ("agentgateway.dev", "AgentgatewayParameters")


@dataclass(frozen=True)
class GatewayClass:
    """One class as its controller installs it."""

    name: str
    controller: str
    """`spec.controllerName`."""
    suffix: str = ""
    """What follows the Gateway's name in the names of its Deployment and Service."""
    istio: bool = False
    """Obeys DestinationRules and Telemetry, and names a ClusterIP by host name."""
    parameters: tuple[str, str] | None = None
    """Group and kind of what configures a Gateway; None: nothing does."""

    def workload(self, gateway: str) -> str:
        """Return the name of a Gateway's Deployment, Service and ServiceAccount."""
        return f"{gateway}{self.suffix}"


_ALL = (
    GatewayClass("istio", "istio.io/gateway-controller", "-istio", istio=True, parameters=CONFIG_MAP),
    GatewayClass(
        "data-science-gateway-class",
        "openshift.io/gateway-controller/v1",
        "-data-science-gateway-class",
        istio=True,
        parameters=CONFIG_MAP,
    ),
    GatewayClass("kgateway", "kgateway.dev/kgateway", parameters=KGATEWAYS),
    GatewayClass("agentgateway", "agentgateway.dev/agentgateway", parameters=AGENTGATEWAYS),
    GatewayClass("agentgateway-v2", "kgateway.dev/agentgateway"),
    GatewayClass("gke-l7-regional-external-managed", "networking.gke.io/gateway"),
    GatewayClass("gke-l7-rilb", "networking.gke.io/gateway"),
)

CLASSES: Mapping[str, GatewayClass] = MappingProxyType({one.name: one for one in _ALL})
"""By name. Those that aren't istio speak TLS to the picker without being told, and trust any certificate."""
