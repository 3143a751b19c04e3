"""Every object name, label set and port name, as pure functions of postfix and namespace.

Strings that two components share come from here, never from another component. Source: the guide's helm releases
`infra-pd`, `gaie-pd` and `ms-pd`, with the `pd` replaced by the postfix in every one (the guide forgets some).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.config.vocabulary import Role

LIMIT = 63
"""Longest name of a Service, a label value or a pod's host name (RFC 1123 label)."""

POOL_GROUP = "inference.networking.k8s.io"
"""API group of the InferencePool v1; route, picker and pool must agree."""

HTTP_PORT = 80
"""The gateway's listener."""

PICKER_PORTS = {"grpc": 9002, "grpc-health": 9003, "metrics": 9090}
"""Ports of the endpoint picker, the same in all versions."""

VLLM_PORT_NAME = "vllm"
NIXL_PORT_NAME = "nixl"
TOKEN_KEY = "HF_TOKEN"  # the key's name, not a token
CONFIG_FILE = "pd-config.yaml"

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""Label with its name that the API server gives every namespace."""

INSTANCE = "llm-d.ai/instance"
"""Label with the install and its generation; selectors of both have it."""

TRIAL_LABEL = {"llm-d.ai/trial": "true"}
"""Label of the pods that may read the workers' counters to try a generation."""

PART_OF = {"app.kubernetes.io/part-of": "llm-d-pd"}


@dataclass(frozen=True)
class Names:
    """All names of one install, with those of one generation of its workers."""

    postfix: str
    namespace: str
    generation: str = ""
    """Word of the generation (`serving.rollout.generation`); empty: the names have the postfix alone."""

    @property
    def instance(self) -> str:
        """What the names of a generation's objects have in the place of the postfix, and their instance label."""
        return f"{self.postfix}-{self.generation}" if self.generation else self.postfix

    @property
    def gateway(self) -> str:
        """Gateway and its parameters."""
        return f"infra-{self.postfix}-inference-gateway"

    @property
    def envoy(self) -> str:
        """The standalone Envoy of a generation, without its Service."""
        return f"infra-{self.instance}-inference-gateway"

    @property
    def gateway_selector(self) -> dict[str, str]:
        """Pods of the standalone Envoy. Must not match pods of a Gateway API controller. Immutable."""
        return {"llm-d.ai/gateway": self.envoy}

    @property
    def route(self) -> str:
        return f"llm-d-{self.postfix}-disaggregation"

    @property
    def pool(self) -> str:
        return f"gaie-{self.instance}"

    @property
    def pool_service(self) -> str:
        """The headless Service by which an Envoy of our own knows the pool's pods."""
        return f"{self.pool}-workers"

    @property
    def picker(self) -> str:
        """Everything of the endpoint picker, and its istio DestinationRule."""
        return f"gaie-{self.instance}-epp"

    @property
    def picker_cluster_role(self) -> str:
        """Cluster-scoped, so it carries the namespace too."""
        return f"gaie-{self.instance}-{self.namespace}-epp"

    @property
    def reader_cluster_role(self) -> str:
        """Of whoever reads the picker's metrics."""
        return f"{self.picker_cluster_role}-metrics-reader"

    @property
    def metrics_secret(self) -> str:
        """Account and token with which Prometheus reads the picker's metrics."""
        return f"{self.picker}-metrics-reader"

    @property
    def picker_monitor(self) -> str:
        """ServiceMonitor."""
        return f"{self.picker}-monitor"

    @property
    def alerts(self) -> str:
        """PrometheusRule."""
        return f"llm-d-{self.postfix}-alerts"

    @property
    def trial(self) -> str:
        """The generation's second HTTPRoute or Service, which only requests with the trial's header take."""
        return f"llm-d-{self.instance}-trial"

    @property
    def jobs(self) -> str:
        """What the names of the generation's Jobs begin with."""
        return f"llm-d-{self.instance}"

    def dashboard(self, word: str) -> str:
        """ConfigMap of a Grafana dashboard."""
        return f"llm-d-{self.postfix}-dashboard-{word}"

    @property
    def workers(self) -> str:
        """ServiceAccount of the workers of all generations."""
        return f"ms-{self.postfix}-llm-d-modelservice"

    def tier(self, role: Role) -> str:
        return f"ms-{self.instance}-llm-d-modelservice-{role}"

    def tier_monitor(self, role: Role) -> str:
        """PodMonitor of a tier."""
        return f"{self.tier(role)}-podmonitor"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every object that belongs to the stack, whatever the generation."""
        return {**PART_OF, INSTANCE: self.postfix}

    @property
    def generation_labels(self) -> dict[str, str]:
        """Labels of every object of the generation."""
        return {**PART_OF, INSTANCE: self.instance}

    @property
    def picker_labels(self) -> dict[str, str]:
        """Labels of the picker's objects; the ServiceMonitor finds the Service by the name."""
        return {**self.generation_labels, "app.kubernetes.io/name": self.picker}

    @property
    def pool_selector(self) -> dict[str, str]:
        """Pods that serve: both tiers of this install only. Immutable."""
        return {"llm-d.ai/inference-serving": "true", INSTANCE: self.instance}

    def objective(self, name: str) -> str:
        """InferenceObjective of one priority, which requests name in a header."""
        return f"{self.pool}-{name}"

    def worker_selector(self, role: Role) -> dict[str, str]:
        """Pods of one tier. Immutable: nothing in it may depend on a release or a setting."""
        return {INSTANCE: self.instance, "llm-d.ai/role": role.value}

    def worker_labels(self, role: Role, accelerator: str, model: str) -> dict[str, str]:
        """Labels of a tier's pods; `llm-d.ai/role` is what the picker's filters read."""
        return {
            **PART_OF,
            **self.pool_selector,
            **self.worker_selector(role),
            "llm-d.ai/accelerator-vendor": accelerator,
            "llm-d.ai/guide": "pd-disaggregation",
            "llm-d.ai/model": label_value(model.rsplit("/", 1)[-1]),
        }

    @property
    def picker_selector(self) -> dict[str, str]:
        """Pods of the endpoint picker. Immutable."""
        return {"inferencepool": self.picker}

    def longest(self, gateway_suffix: str) -> str:
        """The longest name that must be a DNS label: if it fits, all others do."""
        candidates = [
            gateway_service(self.gateway, gateway_suffix),
            self.metrics_secret,
            *(self.tier(role) for role in Role),
        ]
        return max(candidates, key=len)


def word_of(name: str, postfix: str) -> str | None:
    """The generation that an object of a generation belongs to, by its name; None: it is no such object's name."""
    word = rf"-{re.escape(postfix)}(?:-([a-z0-9]{{1,8}}))?"
    found = re.fullmatch(rf"gaie{word}|ms{word}-llm-d-modelservice-.*|infra{word}-inference-gateway", name)
    return found and next((each for each in found.groups() if each), "")


def led_to(spec: Mapping[str, Any], postfix: str) -> str | None:
    """The word of the generation that the spec of an HTTPRoute or Service leads to; None: of this stack, none."""
    if rules := spec.get("rules"):
        backends = rules[0].get("backendRefs") or [{}]
        return word_of(str(backends[0].get("name")), postfix)
    return word_of(str((spec.get("selector") or {}).get("llm-d.ai/gateway")), postfix)


def suffix(generation: str) -> str:
    """What follows the names of a generation's Pulumi resources; nothing for the unnamed generation."""
    return f"-{generation}" if generation else ""


def gateway_service(gateway: str, suffix: str) -> str:
    """The Service that a gateway controller makes for a Gateway; the suffix is the controller's."""
    return f"{gateway}{suffix}"


def gateway_pods(gateway: str) -> dict[str, str]:
    """Label of a Gateway's proxies: the Gateway API asks every controller to put it on what it makes for one."""
    return {"gateway.networking.k8s.io/gateway-name": gateway}


def label_value(text: str) -> str:
    """`text` as a label value: at most 63 characters, its ends a letter or digit."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:LIMIT].strip("-._")
