"""Every object name, label set and port name, as pure functions of postfix and namespace.

Strings that two components share come from here, never from another component. Source: the guide's helm releases
`infra-pd`, `gaie-pd` and `ms-pd`, with the `pd` replaced by the postfix in every one (the guide forgets some).
"""

import re
from collections.abc import Mapping
from typing import Any

from components.config.vocabulary import Role

LIMIT = 63
"""Longest name of a Service, a label value or a pod's host name (RFC 1123 label)."""

POOL_GROUP = "inference.networking.k8s.io"
"""API group of the InferencePool v1; route, picker and pool must agree."""

HTTP_PORT = 80

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


class Names:
    """All names of one install, with those of one generation of its workers."""

    def __init__(self, postfix: str, namespace: str, generation: str = "") -> None:
        """`generation`: its word (`serving.rollout.generation`); empty: the names have the postfix alone."""
        self.postfix, self.namespace, self.generation = postfix, namespace, generation
        self.instance = f"{postfix}-{generation}" if generation else postfix
        """What the names of a generation's objects have in the place of the postfix, and their instance label."""
        self.gateway = f"infra-{postfix}-inference-gateway"
        """Gateway and its parameters."""
        self.envoy = f"infra-{self.instance}-inference-gateway"
        """The standalone Envoy of a generation, without its Service."""
        self.gateway_selector = {"llm-d.ai/gateway": self.envoy}
        """Pods of the standalone Envoy. Must not match pods of a Gateway API controller. Immutable."""
        self.route = f"llm-d-{postfix}-disaggregation"
        self.pool = f"gaie-{self.instance}"
        self.pool_service = f"{self.pool}-workers"
        """Headless Service of the pool's pods, which the standalone Envoy resolves."""
        self.picker = f"{self.pool}-epp"
        """Everything of the endpoint picker, and its istio DestinationRule."""
        self.picker_cluster_role = f"{self.pool}-{namespace}-epp"
        """Cluster-scoped, so it carries the namespace too."""
        self.reader_cluster_role = f"{self.picker_cluster_role}-metrics-reader"
        """ClusterRole of the account that reads the picker's metrics."""
        self.metrics_secret = f"{self.picker}-metrics-reader"
        """Account and token with which Prometheus reads the picker's metrics."""
        self.picker_monitor = f"{self.picker}-monitor"
        """ServiceMonitor."""
        self.alerts = f"llm-d-{postfix}-alerts"
        """PrometheusRule."""
        self.trial = f"llm-d-{self.instance}-trial"
        """The generation's second HTTPRoute or Service, for requests with the trial's header only."""
        self.jobs = f"llm-d-{self.instance}"
        """What the names of the generation's Jobs begin with."""
        self.workers = f"ms-{postfix}-llm-d-modelservice"
        """ServiceAccount of the workers of all generations."""
        self.labels = {**PART_OF, INSTANCE: postfix}
        """Labels of every object that belongs to the stack, whatever the generation."""
        self.generation_labels = {**PART_OF, INSTANCE: self.instance}
        """Labels of every object of the generation."""
        self.picker_labels = {**self.generation_labels, "app.kubernetes.io/name": self.picker}
        """Labels of the picker's objects; the ServiceMonitor finds the Service by the name."""
        self.pool_selector = {"llm-d.ai/inference-serving": "true", INSTANCE: self.instance}
        """Pods that serve: both tiers of this install only. Immutable."""
        self.picker_selector = {"inferencepool": self.picker}
        """Pods of the endpoint picker. Immutable."""

    def dashboard(self, word: str) -> str:
        """ConfigMap of a Grafana dashboard."""
        return f"llm-d-{self.postfix}-dashboard-{word}"

    def tier(self, role: Role) -> str:
        return f"ms-{self.instance}-llm-d-modelservice-{role}"

    def tier_monitor(self, role: Role) -> str:
        return f"{self.tier(role)}-podmonitor"

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

    def longest(self, gateway_suffix: str) -> str:
        """The longest name that must be a DNS label: if it fits, all others do."""
        candidates = [
            gateway_service(self.gateway, gateway_suffix),
            self.metrics_secret,
            *(self.tier(role) for role in Role),
        ]
        return max(candidates, key=len)


def word_of(name: str, postfix: str) -> str | None:
    """The word of the generation in an object's name; None: no generation has an object of this name."""
    word = rf"-{re.escape(postfix)}(?:-([a-z0-9]{{1,8}}))?"
    found = re.fullmatch(rf"gaie{word}|ms{word}-llm-d-modelservice-.*|infra{word}-inference-gateway", name)
    return found and next((each for each in found.groups() if each), "")


def led_to(spec: Mapping[str, Any], postfix: str) -> str | None:
    """The word of the generation that an HTTPRoute's or Service's spec leads to; None: no generation of this stack."""
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
    """Label of a Gateway's proxies. The Gateway API requires it of every controller."""
    return {"gateway.networking.k8s.io/gateway-name": gateway}


def label_value(text: str) -> str:
    """`text` as a label value: at most 63 characters, its ends a letter or digit."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:LIMIT].strip("-._")
