"""Settings of who may reach the pods, and whom they may reach."""

from typing import Annotated

from pydantic import BeforeValidator

from components.config.fields import AddressRange, LabelKey, LabelValue, null_word
from components.config.strict import Strict
from components.config.vocabulary import SecurityLevel


class Security(Strict):
    """Who may reach the pods, and whom they may reach (security.md)."""

    level: SecurityLevel = SecurityLevel.STANDARD
    """`locked`: NetworkPolicies let through what serving needs and nothing else, where the cluster's network plugin
    enforces them; `standard`: none are made."""
    monitoring_namespace: Annotated[dict[LabelKey, LabelValue] | None, BeforeValidator(null_word)] = None
    """locked only: labels of the namespaces that may read metrics; default: the guide's `llm-d-monitoring`, and with
    gateway.provider gke that of Google's collector."""
    gateway_ranges: list[AddressRange] = []
    """locked only: addresses besides the Gateway's own pods that its requests come from, such as 10.129.0.0/23: on gke
    the VPC's proxy-only subnet, elsewhere the nodes of a proxy on the host's network."""
