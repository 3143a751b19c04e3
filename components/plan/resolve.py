"""resolve(settings) -> ServingPlan: every decision, no resources. Called with settings that `check` has passed."""

import pulumi
import yaml

from components.args import PlacementArgs, TolerationArgs
from components.config.settings import Serving
from components.config.vocabulary import PodSecurity, Preflight, Role, SecurityLevel, ServiceType
from components.names import CONFIG_FILE, PICKER_PORTS, POOL_GROUP, Names
from components.plan import agreement, fabric, gateway, locked_memory, pod_rights, sized, workers
from components.plan import platform_args as args
from components.plan.check import notes as suspected
from components.plan.context import Context
from components.plan.endpoint import endpoint
from components.plan.isolation import isolation
from components.plan.serving_plan import ServingPlan
from components.plan.worker_args import DecodeTierArgs, PrefillTierArgs
from components.plan.workers import Tiers


def resolve(settings: Serving, token: pulumi.Output[str] | None = None) -> ServingPlan:
    """The plan for a stack's settings; `token` is the Hugging Face token, if one is configured."""
    context = Context.of(settings)
    operator = not context.provider.collectors
    tiers = workers.tiers(context)
    asked, located = sized.assess(settings, tiers)
    rows, report = sized.summarized(asked)
    return ServingPlan(
        cluster=settings.cluster,
        # The preflight names the objects that are taken over. It must stop at an object that cannot be taken over.
        preflight=Preflight.ENFORCE if settings.adopt else settings.preflight,
        waiting=settings.waiting,
        adopt=settings.adopt,
        release=settings.release,
        release_named="release" in settings.model_fields_set,
        generation=settings.rollout.generation,
        strategy=settings.rollout.strategy,
        endpoint=endpoint(context),
        namespace=_namespace(context, token, pod_rights.label(context, tiers.values())),
        gateway=gateway.resolve(context, tiers),
        pool=_pool(context),
        picker=_picker(context),
        prefill=PrefillTierArgs(worker=tiers[Role.PREFILL]),
        decode=DecodeTierArgs(worker=tiers[Role.DECODE], sidecar=workers.sidecar(context)),
        monitoring=_monitoring(context, tiers) if settings.monitoring.enabled and operator else None,
        isolation=isolation(context, tiers),
        settings=settings,
        sized=rows,
        report=report,
        notes=[
            *_notes(context, tiers),
            *sized.notes(context, tiers, asked, located),
            *pod_rights.warnings(context, tiers),
            *locked_memory.warnings(context, tiers),
        ],
    )


def _namespace(
    context: Context, token: pulumi.Output[str] | None, level: PodSecurity | None
) -> args.ServingNamespaceArgs:
    settings, names = context.settings, context.names
    return args.ServingNamespaceArgs(
        namespace=settings.namespace,
        create=settings.create_namespace,
        pod_security=level,
        labels=names.labels,
        service_account=names.workers,
        token_secret=context.token_secret if token is not None else None,
        token=token,
        # A proxy of the gateway may take its whole grace, and the namespace ends after its last pod.
        delete_timeout=workers.DELETE_ALLOWANCE + (context.settings.gateway.termination_grace or gateway.LONGEST_GRACE),
    )


def _pool(context: Context) -> args.InferencePoolArgs:
    settings, names = context.settings, context.names
    return args.InferencePoolArgs(
        namespace=settings.namespace,
        name=names.pool,
        labels=names.generation_labels,
        selector=names.pool_selector,
        target_port=settings.ports.serving,
        picker=names.picker,
        picker_port=PICKER_PORTS["grpc"],
        failure_mode=context.failure_mode,
        objectives=context.priorities,
        objective_version=context.release.objectives,
        objective_header=context.release.objective_header,
    )


def _picker(context: Context) -> args.EndpointPickerArgs:
    settings, names, routing, release = context.settings, context.names, context.settings.routing, context.release
    chart = release.picker_resources
    requests = {"cpu": routing.cpu or chart.cpu, "memory": routing.memory or chart.memory}
    limits = {"memory": routing.memory_limit or chart.memory_limit}
    monitored = settings.monitoring.enabled
    flags = {
        "--pool-name": names.pool,
        "--pool-namespace": settings.namespace,
        "--pool-group": POOL_GROUP,
        "--zap-encoder": "json",
        "--config-file": f"/config/{CONFIG_FILE}",
        **release.picker_flags,
        "--v": str(routing.verbosity),
        "--tracing": "true" if settings.tracing and release.traces else "false",
    }
    if routing.experimental_plugins:
        flags["--allow-experimental-plugins"] = "true"
    if routing.replicas > 1:
        flags["--ha-enable-leader-election"] = "true"
    if not monitored:  # without monitoring the picker has no right to review a scraper's token
        flags["--metrics-endpoint-auth"] = "false"
    return args.EndpointPickerArgs(
        namespace=settings.namespace,
        name=names.picker,
        labels=names.picker_labels,
        selector=names.picker_selector,
        pool=names.pool,
        kinds={group: list(kinds) for group, kinds in release.picker_kinds.items()},
        app_protocol=release.picker_protocol,
        cluster_role=names.picker_cluster_role,
        reader_role=names.reader_cluster_role,
        metrics_secret=names.metrics_secret if monitored else None,
        image=context.image(routing.image, release.picker_image, "Always"),
        flags=flags,
        env=context.span_variables(names.picker),
        config=yaml.safe_dump(context.picker_config, sort_keys=False),
        events_port=context.cache_events.listens,
        scratch=routing.config is not None,  # for plugins of the user: the precise prefix cache keeps tokenizers there
        replicas=routing.replicas,
        requests={name: amount for name, amount in requests.items() if amount},
        limits={name: amount for name, amount in limits.items() if amount},
        placement=PlacementArgs(
            node_selector=routing.node_selector,
            tolerations=[TolerationArgs(**each.model_dump()) for each in routing.tolerations],
        ),
    )


def _monitoring(context: Context, tiers: Tiers) -> args.MonitoringArgs:
    settings, names, monitoring = context.settings, context.names, context.settings.monitoring
    return args.MonitoringArgs(
        namespace=settings.namespace,
        postfix=settings.postfix,
        generation=names.generation,
        pool=Names(names.postfix, names.namespace).pool,  # one name in the series of all generations
        labels={**names.labels, **monitoring.labels},
        generation_labels={**names.generation_labels, **monitoring.labels},
        metrics=context.release.metrics,
        queues=settings.routing.flow_control is not None,
        dashboards=monitoring.dashboards,
        alerts=_alerts(context, tiers) if monitoring.alerts else None,
        tiers={
            role.value: args.TierMonitorArgs(name=names.tier_monitor(role), selector=names.worker_selector(role))
            for role in Role
        },
        picker_monitor=names.picker_monitor,
        picker_selector=names.picker_labels,
        picker=names.picker,
        metrics_secret=names.metrics_secret,
        worker_interval=monitoring.worker_interval,
        picker_interval=monitoring.picker_interval,
    )


def _alerts(context: Context, tiers: Tiers) -> args.AlertArgs:
    settings = context.settings
    rdma = any(tier.rdma for tier in tiers.values())
    return args.AlertArgs(
        selective=context.uncached is not None or settings.routing.config is not None,
        slow_transfer=settings.monitoring.min_transfer_rate * 10**6 if rdma else None,
        prefill_failure=context.release.prefill_failure,
        startup=max(tier.rollout.startup_budget for tier in tiers.values()),
        runbooks=settings.monitoring.runbooks,
    )


def _notes(context: Context, tiers: Tiers) -> list[str]:
    settings = context.settings
    notes = []
    image = fabric.image(context)
    if image.note and not context.own_images:
        notes.append(image.note)
    if tiers[Role.DECODE].host_network and settings.security.level is SecurityLevel.LOCKED:
        notes.append(
            "serving.security.level: locked protects the picker alone: the workers are on their nodes' network "
            "(hostNetwork), where no NetworkPolicy reaches them"
        )
    provider = context.provider
    chosen = f"serving.gateway.provider: {provider.word} in release {settings.release}"
    made, kind = provider.service_suffix is not None, provider.service_type
    if made and kind is ServiceType.LOAD_BALANCER and not settings.gateway.existing:
        notes.append(
            f"{chosen} makes a Service of "
            "type LoadBalancer, and no setting changes that: where it has a public address, anybody can ask the model"
        )
    if settings.tracing and not context.release.traces:
        notes.append(
            f"serving.tracing: picker and sidecar of release {settings.release} make no spans; only vLLM's are sent"
        )
    if settings.tracing and not context.release.vllm_traces and not context.own_images:
        notes.append(
            f"serving.tracing: vLLM of release {settings.release} stops at start where its image lacks the packages of "
            "OpenTelemetry, which vLLM brings since 0.17 (vllm-project/vllm#34466): try one worker first, or set "
            "serving.prefill.image and serving.decode.image"
        )
    if provider.note:
        notes.append(f"{chosen} {provider.note}")
    if settings.decode.rollout.termination_grace is None and workers.longest_answer(context) > workers.LONGEST_GRACE:
        notes.append(
            f"a decode worker that is replaced has {workers.LONGEST_GRACE} s for its streams, and an answer of "
            f"{settings.model.max_model_len} tokens at {workers.SLOWEST_STREAM} a second takes "
            f"{workers.longest_answer(context)} s: set serving.decode.rollout.terminationGrace if such streams must end"
        )
    if settings.cluster.identifier is not None:
        notes.append(
            "serving.cluster.identifier has no effect: preflight knows the cluster by the UID of the namespace "
            "kube-system, and a change of this name replaces nothing. "
            "`pulumi config rm --path serving.cluster.identifier`"
        )
    notes += suspected(context, tiers)
    notes += agreement.notes(context, tiers)
    for role, tier in tiers.items():
        used, taken = tier.tensor_parallel, tier.gpus
        if used < taken:
            notes.append(
                f"a {role} pod takes the {taken} GPUs of its node and uses {used} (serving.{role}.tensorParallel): on "
                f"infrastructure {settings.infrastructure} the adapters of a node belong to one pod"
            )
    return notes
