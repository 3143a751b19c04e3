"""Every object that a plan declares, by kind and name: what must be served, permitted, and free to be made.

A test compares it with what the program tells the engine, for every provider, release and switch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import components.objects
from components.plan import ServingPlan

PLURALS = {
    "HealthCheckPolicy": "healthcheckpolicies",
    "GCPBackendPolicy": "gcpbackendpolicies",
    "AgentgatewayParameters": "agentgatewayparameters",
    "GatewayParameters": "gatewayparameters",
    "Telemetry": "telemetries",
    "NetworkPolicy": "networkpolicies",
    "PodMonitoring": "podmonitorings",
    "Ingress": "ingresses",
}
"""Names of kinds in paths, where it isn't the kind in small letters with an s."""

RBAC = "rbac.authorization.k8s.io/v1"
BUILT_IN = ("v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1", RBAC)


@dataclass(frozen=True)
class Declared:
    """One object."""

    api_version: str
    kind: str
    name: str
    namespace: str | None
    document: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """As the API server takes it. A secret is a Pulumi output in it."""
    part: str = field(default="", compare=False)
    """Field of the plan that declares it."""

    @property
    def group(self) -> str:
        """API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def plural(self) -> str:
        """The kind in paths and rights."""
        return PLURALS.get(self.kind, f"{self.kind.lower()}s")

    @property
    def resource(self) -> str:
        """The kind as kubectl takes it on a command line."""
        return f"{self.plural}.{self.group}" if self.group and self.api_version not in BUILT_IN else self.kind.lower()

    @property
    def path(self) -> str:
        """Where the API server has it."""
        root = "/apis/" if "/" in self.api_version else "/api/"
        within = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{root}{self.api_version}{within}/{self.plural}/{self.name}"

    @property
    def collection(self) -> str:
        """Where the API server makes it."""
        return self.path.rpartition("/")[0]

    @property
    def key(self) -> str:
        """`Kind/namespace/name`, the same whatever version it is read at."""
        return f"{self.kind}/{self.namespace or ''}/{self.name}"

    @property
    def short(self) -> str:
        """`Kind/name`."""
        return f"{self.kind}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def objects(plan: ServingPlan) -> list[Declared]:
    """Every object of the plan."""
    return [
        Declared(each.api_version, each.kind, each.name, each.namespace, each.document, part)
        for part, manifests in components.objects.objects(plan).items()
        for each in manifests
    ]
