"""The stack's settings: the one object `llm-d-pd:serving`."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from components.config.fields import (
    Count,
    Device,
    DnsLabel,
    Fraction,
    LabelKey,
    LabelValue,
    ObjectName,
    Port,
    Quantity,
    Registry,
    null_word,
    release_text,
    wrong,
)
from components.config.gateway import Gateway
from components.config.generations import Generations
from components.config.load import Load
from components.config.routing import Routing
from components.config.security import Security
from components.config.strict import Strict
from components.config.tiers import Decode, KvTransfer, Prefill, Rdma
from components.config.ucx import Ucx
from components.config.vocabulary import Accelerator, Gpu, Infrastructure, Preflight, PullPolicy, ReleaseName, Waiting


def _no_url(value: Any) -> Any:
    scheme = value.partition("://")[0] if isinstance(value, str) and "://" in value else ""
    if scheme == "hf":
        raise wrong(
            "is a URL (hf), and an id is needed",
            "vLLM would look for a Hugging Face id that cannot exist",
            f"write the id alone: {value.partition('://')[2]}",
        )
    if scheme:
        raise wrong(
            f"is a URL ({scheme}), and weights come from Hugging Face, a claim, a folder of the node or the image",
            "the release's images have no loader for it: vLLM would look for a Hugging Face id that cannot exist",
            "copy the weights to a PersistentVolumeClaim, and set serving.model.claim and serving.model.path",
        )
    return value


class Model(Strict):
    """What is served, and where its weights are."""

    name: Annotated[str, BeforeValidator(_no_url)] = Field(pattern=r"^/?[\w.-]+(/[\w.-]+)*(:[\w.-]+)?$")
    """Hugging Face id, such as RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic, or a GGUF's with its quantization, such as
    unsloth/Qwen3-0.6B-GGUF:Q4_K_M; or an absolute path, where `hostPaths` of both tiers mount the weights, or images of
    your own hold them."""
    served_name: str | None = Field(default=None, pattern=r"^\S+$")
    """The name clients ask for; default: `name`."""
    max_model_len: Annotated[Count | None, BeforeValidator(null_word)] = 32000
    """Longest prompt plus answer, in tokens (guide); null: the model's own."""
    block_size: Annotated[Count | None, BeforeValidator(null_word)] = 128
    """Tokens per KV block, equal in both tiers (guide: 128). The releases' images take 1, 8,
    16, 32, 64, 128 and 256. null: vLLM's choice for the model, which hybrid models need."""
    storage: Quantity = "100Gi"
    """Limit of the emptyDir that each worker downloads the weights to."""
    claim: ObjectName | None = None
    """An existing PersistentVolumeClaim instead of the emptyDir; ReadWriteMany when workers sit on several nodes."""
    path: str | None = Field(default=None, pattern=r"^[^/].*$")
    """Folder in the claim that holds the weights; unset, the claim is the Hugging Face cache."""
    shape: Annotated[str, Field(pattern=r"^[^/].*\.json$")] | dict[str, Any] | None = None
    """The model's config.json, for sizing only: a path in the repository, or its fields. Default: the Hugging Face
    cache of the machine, else a table of popular models (sizing.md)."""
    token_secret: Annotated[ObjectName | None, BeforeValidator(null_word)] = "llm-d-hf-token"
    """Secret with the key HF_TOKEN, made from `llm-d-pd:hfToken` if that is set; `null` = no token is needed."""


class Cluster(Strict):
    """The cluster of the stack."""

    context: str | None = None
    """kubeconfig context; unset is the current one, printed at every preview and up."""
    identifier: str | None = None
    """No effect, for stack files of earlier versions: preflight knows a cluster by the UID of kube-system."""


class Monitoring(Strict):
    """Objects of the Prometheus operator and of Grafana (monitoring.md)."""

    enabled: bool = True
    """Make PodMonitors and a ServiceMonitor (their CRDs must exist), and what the settings below say."""
    dashboards: bool = True
    """Make Grafana dashboards: ConfigMaps with the label `grafana_dashboard: "1"`, by which the sidecar of
    kube-prometheus-stack's Grafana finds them in every namespace. Without a Grafana they do no harm."""
    alerts: bool = True
    """Make a PrometheusRule (its CRD must exist) with alerts for what breaks P/D without an error."""
    labels: dict[LabelKey, LabelValue] = {}
    """Labels by which the cluster selects monitors, rules and dashboards, such as `release` for
    kube-prometheus-stack."""
    runbooks: str = Field(default="docs", pattern=r"^\S*[^\s/]$")
    """Where you publish this project's docs folder; the alerts' runbook links begin with it."""
    min_transfer_rate: Count = 1000
    """MB per second. The alert takes slower KV transfers for a fallback from RDMA to TCP (monitoring.md)."""
    worker_interval: str = Field(default="30s", pattern=r"^\d+(ms|s|m)$")
    """Scrape interval of the workers (guide)."""
    picker_interval: str = Field(default="10s", pattern=r"^\d+(ms|s|m)$")
    """Scrape interval of the EPP (guide)."""


class Tracing(Strict):
    """Traces of requests, in the OpenTelemetry protocol."""

    endpoint: str = Field(pattern=r"^http://(\[[0-9A-Fa-f:]+\]|[\w.-]+):\d+$")
    """The collector's gRPC address, such as http://otel-collector.monitoring:4317; EPP and sidecar send without TLS."""
    sampling: Fraction = 0.1
    """Fraction of the requests that are traced. A request that already has a trace follows the sampling of this
    trace."""
    detailed: bool = False
    """Let vLLM trace its model and workers, too (`--collect-detailed-traces=all`): it costs time in every step."""


class Images(Strict):
    """Where images come from."""

    mirror: Registry | None = None
    """Registry for default images, such as registry.example.com/ghcr. It replaces `ghcr.io` and `docker.io` in the
    release's images, and `docker.io` in the image of the gateway standalone."""
    mirrors: dict[Registry, Registry] = {}
    """Replacements of registries, or of folders of a registry, in default images. They take precedence over `mirror`;
    of several that match, the longest counts. Default images are in ghcr.io, docker.io (standalone; vLLM from release
    0.9 on), public.ecr.aws (aws-efa from 0.9 on), cr.agentgateway.dev and cr.kgateway.dev/kgateway-dev (the proxies of
    these providers). istiod decides where istio's proxies come from."""
    pull_secrets: list[ObjectName] = []
    """Secrets of type dockerconfigjson in the namespace."""
    pull_policy: PullPolicy | None = None
    """For every container; default: the charts' (Always for EPP and sidecar, the cluster's for vLLM)."""


class Ports(Strict):
    """Ports of the workers; in host-network mode they are the node's."""

    serving: Port = 8000
    """Pool target port: the sidecar's on decode, vLLM's on prefill."""
    decode_vllm: Port = 8200
    """Port of vLLM in decode pods; the routing sidecar forwards to it."""
    nixl: Port = 5600
    """First port of the NIXL side channel; each GPU has one port (vLLM ≥ 0.11.1: 5600)."""


def _off(value: Any) -> Any:
    return "off" if value is False else value  # YAML's word for false


class Serving(Strict):
    """One prefill/decode disaggregated model server."""

    accelerator: Accelerator
    """GPU vendor: GPU resource, images, KV transfer flags, defaults."""
    model: Model
    """What is served."""
    release: Annotated[ReleaseName, BeforeValidator(release_text)] = ReleaseName.V0_9
    """llm-d release: all images and flag dialects together."""
    namespace: DnsLabel = "llm-d-pd"
    """Namespace of all objects of the stack, except those of the cluster and of another owner."""
    create_namespace: bool = True
    """Whether the namespace is this stack's: false = it exists and is never changed or deleted."""
    postfix: DnsLabel = "pd"
    """Distinguishes installs: part of every name and of every selector."""
    cluster: Cluster = Cluster.model_construct()
    """The cluster of the stack."""
    preflight: Annotated[Preflight, BeforeValidator(_off)] = Preflight.WARN
    """Checks of the live cluster before the first change (preflight.md). `enforce`: an error, or a cluster that does
    not answer, ends the command. `warn`: it is a warning. `off`: checks only that the cluster is still the same."""
    waiting: Annotated[Waiting, BeforeValidator(_off)] = Waiting.END
    """What an `up` does while it waits for pods (recovering.md): `explain` says why they are not Ready, with the last
    lines of the log and the setting; `end` also ends the wait for what cannot heal; `off` waits in silence."""
    adopt: bool = False
    """Take over objects that exist already under the stack's names, and fields of other field managers: after an
    interrupted run, after drift, or from the guide's helm releases. Preflight is then `enforce`."""
    host_network: bool = False
    """RDMA debugging: 1 prefill and 1 decode worker on two nodes, all GPUs, host network, privileged."""
    gpus_per_node: Count = 8
    """GPUs of one node."""
    gpu: Gpu | None = None
    """GPU product: a preview then says whether the model fits, and warns about what is likely to go wrong (sizing.md);
    unset = preflight looks at the labels of the nodes."""
    load: Annotated[Load | None, BeforeValidator(null_word)] = None
    """Expected load and targets; sizing compares them with the predicted rates of the workers."""
    gpu_resource: Device | None = None
    """Extended resource of the GPUs, where it is not the accelerator's: MIG slices, partitions, shared GPUs."""
    infrastructure: Annotated[Infrastructure | None, BeforeValidator(null_word)] = None
    """The kind of cluster. It sets everything that pods need there for RDMA (infrastructure.md). The settings below
    override single fields; unset = only the settings below count."""
    rdma: Annotated[Rdma | None, BeforeValidator(null_word)] = None
    """The fabric's RDMA device for each worker; unset = the infrastructure's, else TCP."""
    ucx: Ucx = Ucx.model_construct()
    """UCX variables of both tiers."""
    kv_transfer: KvTransfer = KvTransfer.model_construct()
    """vLLM's KV connector in both tiers, which may have fields of their own."""
    gateway: Gateway = Gateway.model_construct()
    """Where requests come in."""
    routing: Routing = Routing.model_construct()
    """Which workers serve a request."""
    prefill: Prefill = Prefill.model_construct()
    """Computes the KV cache of prompts."""
    decode: Decode = Decode.model_construct()
    """Generates tokens."""
    rollout: Generations = Generations.model_construct()
    """How a change of the workers reaches clients."""
    ports: Ports = Ports.model_construct()
    """Ports of the workers."""
    images: Images = Images.model_construct()
    """Where images come from."""
    monitoring: Monitoring = Monitoring.model_construct()
    """Prometheus operator objects."""
    tracing: Annotated[Tracing | None, BeforeValidator(null_word)] = None
    """Where EPP, sidecar and vLLM send traces; unset = no traces."""
    security: Security = Security.model_construct()
    """Network connections that the pods accept and open, and their security contexts."""
