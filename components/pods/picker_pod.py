"""The pod and the Deployment of the endpoint picker. Source: inferencepool chart v1.2.0 and v1.4.0."""

from hashlib import sha256

import pulumi_kubernetes as k8s

from components.names import PICKER_PORTS
from components.plan.platform_args import EndpointPickerArgs
from components.pods import placement
from components.pods.confinement import confined
from components.pods.ports import container_port

TERMINATION_GRACE = 130
"""Seconds (chart): the picker sees running streams out."""

STARTUP_BUDGET = 60
"""Seconds for reading pool and pods and making a key (seen: 3); then the container is restarted, as liveness would."""


NO_DEADLINE = 2**31 - 1
"""What a Deployment takes for none: those that stand by are never available, and it would count as failed for that."""


def deployment_spec(picker: EndpointPickerArgs) -> k8s.apps.v1.DeploymentSpecArgs:
    """One picker, or one that picks and others that stand by: two at once would each know half of the prefix cache."""
    several = picker.replicas > 1
    return k8s.apps.v1.DeploymentSpecArgs(
        replicas=picker.replicas,
        strategy=_all_at_once() if several else k8s.apps.v1.DeploymentStrategyArgs(type="Recreate"),
        progress_deadline_seconds=NO_DEADLINE if several else None,
        selector=k8s.meta.v1.LabelSelectorArgs(match_labels=picker.selector),
        template=k8s.core.v1.PodTemplateSpecArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(
                labels={**picker.labels, **picker.selector},
                # The picker reads its file only at start: another configuration is another pod.
                annotations={"llm-d.ai/config-sha256": sha256(picker.config.encode()).hexdigest()},
            ),
            spec=k8s.core.v1.PodSpecArgs(
                service_account_name=picker.name,
                image_pull_secrets=placement.pull_secrets(picker.image.pull_secrets),
                termination_grace_period_seconds=TERMINATION_GRACE,
                containers=[_container(picker)],
                volumes=_volumes(picker),
                node_selector=picker.placement.node_selector or None,
                tolerations=placement.tolerations(picker.placement),
                topology_spread_constraints=[_on_different_nodes(picker)] if several else None,
            ),
        ),
    )


def _all_at_once() -> k8s.apps.v1.DeploymentStrategyArgs:
    """New pickers beside the old ones: they become Ready one by one, and only when the old leader has gone."""
    rolling = k8s.apps.v1.RollingUpdateDeploymentArgs(max_surge="100%", max_unavailable="100%")
    return k8s.apps.v1.DeploymentStrategyArgs(type="RollingUpdate", rolling_update=rolling)


def _on_different_nodes(picker: EndpointPickerArgs) -> k8s.core.v1.TopologySpreadConstraintArgs:
    """On one node if there is no other: a stand-by there still outlives its leader's process."""
    return k8s.core.v1.TopologySpreadConstraintArgs(
        max_skew=1,
        topology_key="kubernetes.io/hostname",
        when_unsatisfiable="ScheduleAnyway",
        label_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=picker.selector),
    )


def _container(picker: EndpointPickerArgs) -> k8s.core.v1.ContainerArgs:
    return k8s.core.v1.ContainerArgs(
        name="epp",
        image=picker.image.name,
        image_pull_policy=picker.image.pull_policy,
        args=[f"{flag}={value}" for flag, value in picker.flags.items()],
        env=[
            _field("NAMESPACE", "metadata.namespace"),
            _field("POD_NAME", "metadata.name"),
            *(k8s.core.v1.EnvVarArgs(name=name, value=value) for name, value in picker.env.items()),
        ],
        ports=[
            *(container_port(port, name) for name, port in PICKER_PORTS.items()),
            *([container_port(picker.events_port, "kv-events")] if picker.events_port else []),
        ],
        startup_probe=_listening(),
        liveness_probe=_health(picker, "liveness", period=10, delay=5),
        readiness_probe=_health(picker, "readiness", period=2),
        resources=k8s.core.v1.ResourceRequirementsArgs(requests=picker.requests or None, limits=picker.limits or None),
        security_context=confined(),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[
            k8s.core.v1.VolumeMountArgs(name="plugins-config-volume", mount_path="/config"),
            *([k8s.core.v1.VolumeMountArgs(name="scratch", mount_path="/tmp")] if picker.scratch else []),
        ],
    )


def _volumes(picker: EndpointPickerArgs) -> list[k8s.core.v1.VolumeArgs]:
    config = k8s.core.v1.ConfigMapVolumeSourceArgs(name=picker.name)
    volumes = [k8s.core.v1.VolumeArgs(name="plugins-config-volume", config_map=config)]
    if picker.scratch:
        volumes.append(k8s.core.v1.VolumeArgs(name="scratch", empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs()))
    return volumes


def _field(name: str, path: str) -> k8s.core.v1.EnvVarArgs:
    source = k8s.core.v1.EnvVarSourceArgs(field_ref=k8s.core.v1.ObjectFieldSelectorArgs(field_path=path))
    return k8s.core.v1.EnvVarArgs(name=name, value_from=source)


def _listening() -> k8s.core.v1.ProbeArgs:
    """Ready means that the gateway is answered: the health service says so up to two seconds before.

    The port opens last, after a TLS key of 4096 bits is made.
    """
    return k8s.core.v1.ProbeArgs(
        tcp_socket=k8s.core.v1.TCPSocketActionArgs(port=PICKER_PORTS["grpc"]),
        period_seconds=1,
        failure_threshold=STARTUP_BUDGET,
    )


def _health(picker: EndpointPickerArgs, which: str, period: int, delay: int | None = None) -> k8s.core.v1.ProbeArgs:
    """The picker's own gRPC health service; where one of several leads, it answers each kind by another name."""
    service = which if picker.replicas > 1 else "inference-extension"
    return k8s.core.v1.ProbeArgs(
        grpc=k8s.core.v1.GRPCActionArgs(port=PICKER_PORTS["grpc-health"], service=service),
        initial_delay_seconds=delay,
        period_seconds=period,
    )
