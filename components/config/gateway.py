"""Settings of the model gateway: where requests come in."""

from pydantic import Field

from components.config.fields import Quantity
from components.config.strict import Strict
from components.config.vocabulary import EnvoyLogLevel, Exposure, Provider, ServiceType


class Gateway(Strict):
    """The model gateway: where requests come in."""

    provider: Provider = Provider.ISTIO
    """The cluster's gateway controller."""
    awaited: bool = Field(default=True, alias="await")
    """Let `pulumi up` wait until the controller has programmed the Gateway (at most 10 minutes), so that its address is
    among the outputs. Switch it off where the controller comes later, or nothing gives a LoadBalancer an address."""
    service_type: ServiceType = ServiceType.CLUSTER_IP
    """Type of the gateway's Service (infra chart ≥ 1.3.3: ClusterIP)."""
    exposure: Exposure = Exposure.EXTERNAL
    """gke only: a load balancer for the internet, or one for the VPC."""
    autopilot: bool = False
    """gke only: the cluster is an Autopilot one, whose metrics collector is elsewhere."""
    log_level: EnvoyLogLevel | None = None
    """Log level of the gateway's proxy; default: the guide's (istio error, others warning)."""
    access_logging: bool = False
    """Log every request (guide: off); istio only."""
    cpu: Quantity | None = None
    """CPU request; default: the guide's (istio 4, others 100m)."""
    memory: Quantity | None = None
    """Memory request; default: the guide's (istio 4Gi, others 128Mi)."""
    cpu_limit: Quantity | None = None
    """CPU limit; default: the guide's (istio 16, others 2)."""
    memory_limit: Quantity | None = None
    """Memory limit; default: the guide's (istio 16Gi, others 1Gi)."""
