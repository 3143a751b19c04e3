"""Arguments of the components around the workers: namespace, pool, picker, monitoring, network isolation."""

from typing import Any

import pulumi
from pydantic import field_validator

from components.args import Args, ImageArgs, PlacementArgs
from components.config.vocabulary import FailureMode, PodSecurity
from components.releases.metrics import Metrics


class TargetClusterArgs(Args):
    """The cluster that the stack is in."""

    uid: str
    """UID of its namespace kube-system; empty: unknown."""
    ordered: pulumi.Output[bool] | None = None
    """Resolves when this `up` has recorded the dependencies of the generation's objects; None: the state has them."""


class ServingNamespaceArgs(Args):
    """The namespace and what all workers share in it."""

    namespace: str
    create: bool
    """Whether this stack makes and deletes the namespace."""
    pod_security: PodSecurity | None = None
    """Level of Pod Security that the namespace enforces; None: the cluster's default."""
    labels: dict[str, str]
    service_account: str
    token_secret: str | None = None
    """Secret to make for the Hugging Face token, if a token is given."""
    delete_timeout: int = 600
    """Seconds that Pulumi waits until a deleted namespace is gone."""
    token: pulumi.Output[str] | None = None
    """The Hugging Face token; a secret from here on, whatever it was before."""

    @field_validator("token", mode="before")
    @classmethod
    def _secret(cls, given: Any) -> Any:
        return None if given is None else pulumi.Output.secret(given)


class InferencePoolArgs(Args):
    """The InferencePool: its worker pods and its endpoint picker."""

    namespace: str
    name: str
    labels: dict[str, str]
    selector: dict[str, str]
    target_port: int
    """Port on which every worker pod serves: vLLM's on prefill, the sidecar's on decode."""
    picker: str
    picker_port: int
    failure_mode: FailureMode
    objectives: dict[str, int] = {}
    objective_version: str = ""
    objective_header: str = ""
    """Header of a request that names one."""


class EndpointPickerArgs(Args):
    """The endpoint picker (EPP): Deployment, Service, configuration and rights."""

    namespace: str
    name: str
    """Deployment, Service, ServiceAccount, ConfigMap, Role and RoleBinding."""
    labels: dict[str, str]
    selector: dict[str, str]
    pool: str
    kinds: dict[str, list[str]]
    """Kinds that it follows, by API group."""
    cluster_role: str
    """ClusterRole and ClusterRoleBinding of the picker: it asks the API server who reads its metrics."""
    reader_role: str
    """ClusterRole and ClusterRoleBinding of the account that reads the metrics."""
    metrics_secret: str | None = None
    """The reader's ServiceAccount, and the Secret with its token; None: neither is made, and metrics are open."""
    image: ImageArgs
    flags: dict[str, str]
    env: dict[str, str]
    config: str
    """EndpointPickerConfig as YAML text."""
    app_protocol: str | None = None
    events_port: int | None = None
    """Port on which it listens for events of the workers' caches; None: it does not."""
    scratch: bool
    """Whether a plugin may want to write to /tmp."""
    replicas: int
    """Pods; of several, the elected leader alone is Ready."""
    requests: dict[str, str]
    limits: dict[str, str]
    placement: PlacementArgs


class TierMonitorArgs(Args):
    """One tier's PodMonitor."""

    name: str
    selector: dict[str, str]


class AlertArgs(Args):
    """What alerts compare with."""

    selective: bool
    """Whether the configuration lets some prompts skip prefill, or may do so."""
    slow_transfer: int | None = None
    """Bytes per second; a slower KV transfer cannot have been RDMA. None: transfers do not use RDMA."""
    startup: int
    """Seconds that a worker may take to serve."""
    prefill_failure: str
    """What follows from a prefill leg that fails."""
    runbooks: str
    """Where the docs folder is."""


class MonitoringArgs(Args):
    """Objects of the Prometheus operator and of Grafana."""

    namespace: str
    postfix: str
    generation: str = ""
    """Word of the generation that the monitors belong to, a label of its series; empty: no label."""
    pool: str
    """Label of every series of the install, whatever the generation."""
    labels: dict[str, str]
    generation_labels: dict[str, str]
    metrics: Metrics
    queues: bool
    """Whether requests may wait in the picker."""
    dashboards: bool
    alerts: AlertArgs | None = None
    """Make alerts that compare with this; None: none."""
    tiers: dict[str, TierMonitorArgs]
    picker_monitor: str
    picker_selector: dict[str, str]
    picker: str
    """The picker's Service: its value is the metrics' job."""
    metrics_secret: str
    worker_interval: str
    picker_interval: str


class PeerArgs(Args):
    """The other end of a connection: pods, or addresses."""

    pods: dict[str, str] = {}
    """Labels of the pods; empty: all pods of the namespaces."""
    namespaces: dict[str, str] = {}
    """Labels of their namespaces; empty: the policy's own."""
    addresses: str | None = None
    """Addresses instead of pods, as CIDR."""
    without: list[str] = []
    """Ranges within `addresses` that are excluded."""


class PassageArgs(Args):
    """Connections that a policy allows."""

    peers: list[PeerArgs] = []
    """Allowed peers; empty: every peer."""
    tcp: list[int] = []
    udp: list[int] = []
    """UDP ports; neither TCP nor UDP ports: every port."""


class PolicyArgs(Args):
    """A NetworkPolicy; what it does not name is refused."""

    name: str
    selector: dict[str, str]
    ingress: list[PassageArgs]
    egress: list[PassageArgs]


class NetworkIsolationArgs(Args):
    """One policy for each kind of pod."""

    namespace: str
    labels: dict[str, str]
    policies: dict[str, PolicyArgs]
