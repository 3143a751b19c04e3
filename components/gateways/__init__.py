"""Floor 5: what each gateway provider adds to the Gateway API's objects; one file each.

`standalone` has no controller, and declares what stands in for those objects.
"""

from collections.abc import Mapping
from types import MappingProxyType

from components.config.vocabulary import Provider
from components.gateways.agentgateway import Agentgateway
from components.gateways.data_science import DataScienceGateway
from components.gateways.gke import Gke
from components.gateways.istio import Istio
from components.gateways.kgateway import Kgateway
from components.gateways.provider import GatewayProvider

PROVIDERS: Mapping[Provider, GatewayProvider] = MappingProxyType(
    {
        Provider.ISTIO: Istio(),
        Provider.KGATEWAY: Kgateway(),
        Provider.AGENTGATEWAY: Agentgateway(),
        Provider.GKE: Gke(),
        Provider.DATA_SCIENCE: DataScienceGateway(),
    }
)

__all__ = ["PROVIDERS", "GatewayProvider"]
