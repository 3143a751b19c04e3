"""Kinds of gateway controllers that no registry's module carries: served without a schema, so that stacks can be.

Whether their fields are right is held against values typed by hand (`tests/expected/providers.yaml`), not by it.
"""

from collections.abc import Iterator
from typing import Any

_KINDS = (
    ("gateway.kgateway.dev", "v1alpha1", "GatewayParameters", "gatewayparameters"),
    ("agentgateway.dev", "v1alpha1", "AgentgatewayParameters", "agentgatewayparameters"),
    ("networking.gke.io", "v1", "HealthCheckPolicy", "healthcheckpolicies"),
    ("networking.gke.io", "v1", "GCPBackendPolicy", "gcpbackendpolicies"),
    ("monitoring.googleapis.com", "v1", "PodMonitoring", "podmonitorings"),
)


def definitions() -> Iterator[dict[str, Any]]:
    """Yield their CustomResourceDefinitions."""
    for group, version, kind, plural in _KINDS:
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        yield {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
                "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
            },
        }
