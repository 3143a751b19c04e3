"""Arguments of the model gateway."""

from components.args import Args, ImageArgs, PlacementArgs, SecretKeyArgs
from components.config.vocabulary import FailureMode, Provider, ReleaseName, ServiceType


class StandaloneArgs(Args):
    """The stack's own Envoy, where there is no gateway controller."""

    name: str
    """Deployment, ConfigMap and ServiceAccount."""
    image: ImageArgs
    """Envoy's image, with bash."""
    replicas: int
    selector: dict[str, str]
    failure_mode: FailureMode
    workers: str
    """Headless Service of the pool's pods."""
    worker_selector: dict[str, str]


class ExistingArgs(Args):
    """A Gateway that this stack does not declare."""

    name: str
    namespace: str
    listener: str | None = None


class RouteArgs(Args):
    """The HTTPRoute: which requests go to the pool."""

    name: str
    hostnames: list[str] = []
    path: str = "/"
    """Prefix of the path. The gateway takes it off."""
    headers: dict[str, str] = {}
    """Headers with exact values."""


class AskingArgs(Args):
    """How a Job inside the cluster asks the gateway, and where it runs."""

    name: str
    """What the Job's name begins with."""
    host: str
    """Name of the gateway's Service, as the cluster's DNS knows it."""
    port: int
    tls: bool
    """HTTPS; the certificate is not verified, because it is for the clients' name."""
    path: str
    """Before `/v1`: empty or such as `/llama`."""
    headers: dict[str, str]
    seconds: int
    """How long every answer must come from the generation; where answers name none, how long is waited."""
    service_account: str
    """The workers' ServiceAccount, which has no rights; its token is not in the pod."""
    image: ImageArgs
    """The image of a worker, which has python3."""
    labels: dict[str, str]
    """Further labels of the pod, such as a queue's."""
    placement: PlacementArgs
    """Where it may run: as the workers."""
    near: dict[str, str]
    """Labels of the workers; the pod is best on one of their nodes, which have the image."""


class CountersArgs(Args):
    """Where the counters of a tier's workers are."""

    name: str
    """Headless Service."""
    selector: dict[str, str]
    port: int


class TrialArgs(Args):
    """Requests to a generation before it serves."""

    asking: AskingArgs
    """Where the Job runs."""
    url: str
    """What is asked, up to `/v1`."""
    headers: dict[str, str]
    """What a request carries besides, the header of the second route among it."""
    model: str
    prompt: str
    """What follows the beginning of each prompt, which is never the same."""
    requests: int
    max_errors: int
    workers: dict[str, CountersArgs]
    api_key: SecretKeyArgs | None = None
    """The API key; None: none is needed."""
    ca_secret: str | None = None
    """Secret with `ca.crt`; None: a certificate is not verified."""


class CertificateArgs(Args):
    """A Secret with a certificate."""

    name: str
    namespace: str | None = None


class ListenerArgs(Args):
    """A listener of the Gateway."""

    name: str
    port: int
    certificates: list[CertificateArgs] = []
    """Certificates of an HTTPS listener; empty: the listener speaks HTTP."""


class ServiceArgs(Args):
    """The gateway's Service, besides its type."""

    annotations: dict[str, str] = {}
    load_balancer_class: str | None = None
    node_ports: dict[str, int] = {}
    """Port on the nodes, by port of the Service."""


class IngressArgs(Args):
    """An Ingress in front of the gateway's Service."""

    host: str
    service: str
    class_name: str | None = None
    annotations: dict[str, str] = {}
    tls_secret: str | None = None


class ModelGatewayArgs(Args):
    """The Gateway, its route to the pool, and the settings from which the provider makes its objects."""

    namespace: str
    name: str
    existing: ExistingArgs | None = None
    """A Gateway to use instead; None: the stack declares one."""
    route: RouteArgs
    listeners: list[ListenerArgs]
    service: ServiceArgs
    ingress: IngressArgs | None = None
    request_timeout: int
    """Seconds after which a load balancer that needs a limit ends a request."""
    generation: str = ""
    """Word of the generation that the route leads to; empty: the unnamed one."""
    trial: str
    beside: bool
    """Whether another generation serves or served: this one then has the second HTTPRoute and the Job `settle`."""
    trial_header: str = "x-llm-d-generation"
    """Header of the requests that the second HTTPRoute takes."""
    trying: TrialArgs | None = None
    """The Job that the main route waits for; None: the generation is not asked before it serves."""
    settle: AskingArgs | None = None
    """The Job that waits until the proxies lead to the generation; None: nothing is waited for."""
    labels: dict[str, str]
    """Labels of the objects that stay whatever the generation."""
    generation_labels: dict[str, str]
    """Labels of the objects that belong to the generation."""
    own_labels: dict[str, str] = {}
    floating_user: bool = False
    """Whether the cluster gives each pod a user of its own: the proxies must name none."""
    confined: bool = False
    """Whether the proxies must pass the level restricted of Pod Security."""
    provider: Provider
    """Gateway provider: a line of the table in `components/gateways`."""
    release: ReleaseName
    """Release of llm-d: with it goes a version of the provider."""
    class_name: str | None
    """GatewayClass; None: there is no Gateway."""
    awaited: bool
    """Let Pulumi wait until the gateway is programmed or Ready."""
    service_type: ServiceType
    log_level: str | None = None
    """Log level of the proxy, in the proxy's spelling; None: the provider takes none."""
    access_logging: bool
    requests: dict[str, str]
    limits: dict[str, str]
    termination_grace: int | None = None
    """Seconds that a proxy which ends has for its streams; None: as long as the provider gives it."""
    idle_timeout: int
    """Seconds after which the proxy closes a client's idle connection."""
    pool: str
    pool_port: int
    picker: str
    picker_selector: dict[str, str]
    autopilot: bool
    metrics_interval: str | None = None
    """How often the endpoint picker's metrics are read where the provider has its own monitoring; None: never."""
    registry: str | None = None
    """Registry and folder of the proxy's image, where the provider's parameters set it; None: the controller's own."""
    standalone: StandaloneArgs | None = None
