"""GKE's own load balancers. Source: inferencepool charts v1.2.0 and v1.4.0 with `provider.name: gke`.

The route has neither port nor timeouts, which GKE refuses: the time limit is the backend policy's.
"""

from components.config.vocabulary import Platform, Provider, ReleaseName, ServiceType
from components.controllers.profile import PARAMETERS, PROXIES, Controller

COLLECTORS = {False: "gmp-system", True: "gke-gmp-system"}
"""Namespace of Google's metrics collector, by whether the cluster is an Autopilot one."""

GKE = Controller(
    class_name="gke-l7-regional-external-managed",
    internal_class="gke-l7-rilb",
    objects=Provider.GKE,
    bare_route=True,
    service_suffix=None,
    service_type=ServiceType.LOAD_BALANCER,
    platform=Platform.GKE,
    google=True,
    health_checks=("35.191.0.0/16", "130.211.0.0/22"),
    refused={
        **dict.fromkeys((*PARAMETERS, *PROXIES), "Google runs the load balancer, outside the cluster"),
        "ingress": "there is no Service that an Ingress could lead to",
        "access_logging": "its GCPBackendPolicy always logs, as the guide's",
    },
)

CONTROLLERS = dict.fromkeys(ReleaseName, GKE)
