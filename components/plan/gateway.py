"""Decisions about the model gateway."""

from typing import Any

from components.args import PlacementArgs
from components.config.generations import Trial
from components.config.vocabulary import Exposure, PodSecurity, Role
from components.gateways import args
from components.names import HTTP_PORT, gateway_service
from components.plan.context import Context
from components.plan.endpoint import endpoint
from components.plan.worker_args import ResolvedTier
from components.plan.workers import Tiers, longest_answer

CHART_TIMEOUT = 300
"""Seconds (inferencepool charts): shorter than the longest answers."""

ENVOY = "docker.io/envoyproxy/envoy:v1.40.0"
"""The image with bash, which the preStop script needs; the distroless image has none."""

LONGEST_GRACE = 600
"""Longest default wait of a replaced proxy for its streams, in seconds: a cluster autoscaler ends the pod then anyway
(kubernetes/autoscaler cluster-autoscaler/FAQ.md, `--max-graceful-termination-sec`, default 600)."""

IDLE = 5
"""Seconds, as vLLM's own server (vllm-project/vllm v0.17.1 vllm/envs.py, VLLM_HTTP_TIMEOUT_KEEP_ALIVE). An idle
connection keeps a deleted istio proxy alive. The namespace controller that finds its pod tries again after half of the
pod's grace, which is minutes (kubernetes/kubernetes v1.34.1 pkg/controller/namespace/namespace_controller.go)."""

IDLE_BEHIND_INGRESS = 660
"""Seconds: longer than the longest keep-alive of a load balancer that speaks HTTP (Google's, 600)."""


def resolve(context: Context, tiers: Tiers) -> args.ModelGatewayArgs:
    """Arguments of the model gateway, in front of these tiers."""
    decode = tiers[Role.DECODE]
    settings, names, gateway, provider = context.settings, context.names, context.settings.gateway, context.provider
    requests = {"cpu": gateway.cpu, "memory": gateway.memory}
    limits = {"cpu": gateway.cpu_limit, "memory": gateway.memory_limit}
    return args.ModelGatewayArgs(
        namespace=settings.namespace,
        name=names.gateway,
        existing=_existing(context),
        listeners=_listeners(context),
        service=args.ServiceArgs(
            annotations={**provider.service_annotations, **gateway.service.annotations},
            load_balancer_class=gateway.service.load_balancer_class,
            node_ports={str(each.port): each.node_port for each in gateway.service.ports},
        ),
        ingress=_ingress(context),
        request_timeout=request_timeout(context),
        route=args.RouteArgs(
            name=names.route,
            hostnames=gateway.route.hostnames,
            path=gateway.route.path,
            headers=gateway.route.headers,
        ),
        generation=names.generation,
        trial=names.trial,
        beside=bool(names.generation or settings.rollout.trial),
        **_asked(context, tiers),
        labels=names.labels,
        generation_labels=names.generation_labels,
        own_labels=gateway.labels,
        floating_user=context.random_users,
        confined=settings.security.pod_security is PodSecurity.RESTRICTED,
        provider=provider.word,
        release=settings.release,
        class_name=provider.internal_class if gateway.exposure is Exposure.INTERNAL else provider.class_name,
        awaited=gateway.awaited,
        service_type=provider.service_type or gateway.service_type,
        log_level=provider.log_levels.get(gateway.log_level or provider.log_level),
        access_logging=provider.access_logging if gateway.access_logging is None else gateway.access_logging,
        requests={name: requests[name] or amount for name, amount in provider.requests.items()},
        limits={name: limits[name] or amount for name, amount in provider.limits.items()},
        termination_grace=_termination_grace(context, decode),
        idle_timeout=gateway.idle_timeout or (IDLE_BEHIND_INGRESS if gateway.ingress else IDLE),
        pool=names.pool,
        pool_port=settings.ports.serving,
        picker=names.picker,
        picker_selector=names.picker_selector,
        autopilot=gateway.autopilot,
        metrics_interval=settings.monitoring.picker_interval if settings.monitoring.enabled else None,
        registry=context.mirrored(provider.registry) if provider.registry else None,
        standalone=_standalone(context) if provider.own_proxies else None,
    )


def _asked(context: Context, tiers: Tiers) -> dict[str, Any]:
    settings, asking = context.settings, _asking(context, tiers[Role.DECODE])
    given = settings.rollout.trial
    return {
        "settle": asking if asking.seconds else None,
        **({"trial_header": given.header, "trying": _trial(context, tiers, given, asking)} if given else {}),
    }


def _asking(context: Context, decode: ResolvedTier) -> args.AskingArgs:
    """How a Job asks the Gateway's Service: on the HTTP listener if there is one."""
    settings, target = context.settings, endpoint(context)
    tls = settings.gateway.tls if not settings.gateway.http and not settings.gateway.existing else None
    headers = {"Host": target.host} if settings.gateway.route.hostnames and target.host else {}
    return args.AskingArgs(
        name=context.names.jobs,
        host=f"{target.service}.{target.namespace}.svc",
        port=tls.port if tls else HTTP_PORT,
        tls=tls is not None,
        path=target.path,
        headers={**headers, **target.headers},
        seconds=context.provider.settle if settings.rollout.settle is None else settings.rollout.settle,
        service_account=decode.service_account,
        image=decode.image,
        labels=settings.decode.labels,
        placement=PlacementArgs(node_selector=decode.placement.node_selector, tolerations=decode.placement.tolerations),
        near=decode.selector,
    )


def _trial(context: Context, tiers: Tiers, given: Trial, asking: args.AskingArgs) -> args.TrialArgs:
    """Arguments of the trial. standalone has a Service for each generation instead of a header."""
    own = context.provider.own_proxies
    host = f"{context.names.trial}.{context.settings.namespace}.svc" if own else asking.host
    words = max(200, 2 * (context.uncached or 0))
    return args.TrialArgs(
        asking=asking,
        url=given.url or f"{'https' if asking.tls else 'http'}://{host}:{asking.port}{asking.path}",
        headers={**given.headers, given.header: context.names.generation or "-"},
        model=tiers[Role.DECODE].model.served_name,
        prompt=given.prompt or "word " * words,
        requests=given.requests,
        max_errors=given.max_errors,
        workers={
            role.value: args.CountersArgs(name=tier.name, selector=tier.selector, port=tier.port)
            for role, tier in tiers.items()
        },
        api_key=tiers[Role.DECODE].api_key,
        ca_secret=given.ca_secret,
    )


def _standalone(context: Context) -> args.StandaloneArgs:
    gateway, names = context.settings.gateway, context.names
    return args.StandaloneArgs(
        image=context.image(gateway.image, ENVOY),
        replicas=gateway.replicas,
        name=names.envoy,
        selector=names.gateway_selector,
        failure_mode=context.failure_mode,
        workers=names.pool_service,
        worker_selector=names.pool_selector,
    )


def _termination_grace(context: Context, decode: ResolvedTier) -> int | None:
    """The setting; else decode's grace, unless the provider's proxies take their whole grace, busy or not."""
    said = context.settings.gateway.termination_grace
    if said is not None or context.provider.drains_in_full:
        return said
    return min(decode.rollout.termination_grace, LONGEST_GRACE)


def request_timeout(context: Context) -> int:
    """Seconds that a load balancer gives a request: the setting, else those of a decode worker's longest answer."""
    said = context.settings.gateway.request_timeout
    return said or max(CHART_TIMEOUT, longest_answer(context))


def _listeners(context: Context) -> list[args.ListenerArgs]:
    gateway = context.settings.gateway
    plain = [args.ListenerArgs(name="default", port=HTTP_PORT)] if gateway.http else []
    if gateway.tls is None:
        return plain
    certificates = [
        args.CertificateArgs(name=each.name, namespace=each.namespace) for each in gateway.tls.certificate_refs
    ]
    return [*plain, args.ListenerArgs(name="https", port=gateway.tls.port, certificates=certificates)]


def _ingress(context: Context) -> args.IngressArgs | None:
    given, suffix = context.settings.gateway.ingress, context.provider.service_suffix
    if given is None or suffix is None:
        return None
    return args.IngressArgs(
        host=given.host,
        service=gateway_service(context.names.gateway, suffix),
        class_name=given.class_name,
        annotations=given.annotations,
        tls_secret=given.tls_secret,
    )


def _existing(context: Context) -> args.ExistingArgs | None:
    given = context.settings.gateway.existing
    if given is None:
        return None
    namespace = given.namespace or context.settings.namespace
    return args.ExistingArgs(name=given.name, namespace=namespace, listener=given.listener)
