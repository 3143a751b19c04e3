"""The pods of Envoy."""

from hashlib import sha256
from pathlib import Path

import pulumi_kubernetes as k8s

from components.gateways.standalone.certificates import SECRETS, secrets
from components.gateways.standalone.clusters import ADMIN_PORT
from components.gateways.standalone.listeners import PORTS, STATUS_PORT, scheme
from components.gateways.standalone.parts import FOLDER
from components.plan.gateway_args import ModelGatewayArgs, StandaloneArgs
from components.pods import placement
from components.pods.ports import container_port

CONFIG_FILE = "envoy.yaml"
USER = 101
"""`envoy` in Envoy's image."""

DRAIN = (Path(__file__).parent / "drain.sh").read_text()
"""What runs in the container before it ends: its images have bash, and nothing that speaks HTTP."""

QUIET = 5
"""Seconds without a request after which a pod that ends may go: kube-proxies and load balancers know by then."""


def deployment_spec(args: ModelGatewayArgs, own: StandaloneArgs, config: str) -> k8s.apps.v1.DeploymentSpecArgs:
    """Envoys that are replaced one by one, none before the next one is Ready."""
    return k8s.apps.v1.DeploymentSpecArgs(
        replicas=own.replicas,
        strategy=k8s.apps.v1.DeploymentStrategyArgs(
            type="RollingUpdate",
            rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
        ),
        selector=k8s.meta.v1.LabelSelectorArgs(match_labels=own.selector),
        template=k8s.core.v1.PodTemplateSpecArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(
                labels={**args.labels, **own.selector},
                # Envoy reads its file only at start: another configuration is another pod.
                annotations={"llm-d.ai/config-sha256": sha256(config.encode()).hexdigest()},
            ),
            spec=k8s.core.v1.PodSpecArgs(
                service_account_name=args.name,
                automount_service_account_token=False,
                image_pull_secrets=placement.pull_secrets(own.image.pull_secrets),
                termination_grace_period_seconds=own.termination_grace,
                containers=[_container(args, own)],
                volumes=[
                    k8s.core.v1.VolumeArgs(
                        name="config", config_map=k8s.core.v1.ConfigMapVolumeSourceArgs(name=args.name)
                    ),
                    *(
                        k8s.core.v1.VolumeArgs(name=volume, secret=k8s.core.v1.SecretVolumeSourceArgs(secret_name=name))
                        for volume, name in secrets(args).items()
                    ),
                ],
            ),
        ),
    )


def _container(args: ModelGatewayArgs, own: StandaloneArgs) -> k8s.core.v1.ContainerArgs:
    cpus = k8s.core.v1.EnvVarSourceArgs(resource_field_ref=k8s.core.v1.ResourceFieldSelectorArgs(resource="limits.cpu"))
    return k8s.core.v1.ContainerArgs(
        name="envoy",
        image=own.image.name,
        image_pull_policy=own.image.pull_policy,
        command=["envoy"],
        args=[
            *("--config-path", f"{FOLDER}/{CONFIG_FILE}"),
            *("--log-level", str(args.log_level)),
            *("--concurrency", "$(CPUS)"),  # otherwise a thread, with connections of its own, for each of the node's
            *("--file-flush-interval-msec", "500"),
            "--disable-hot-restart",
        ],
        env=[k8s.core.v1.EnvVarArgs(name="CPUS", value_from=cpus)],
        ports=[
            *(container_port(PORTS[scheme(each)], scheme(each)) for each in args.listeners),
            container_port(STATUS_PORT, "status"),
        ],
        startup_probe=_probe("/ready", period=1, failures=60),
        liveness_probe=_probe("/live", period=10, failures=3),
        readiness_probe=_probe("/ready", period=2, failures=2),
        lifecycle=k8s.core.v1.LifecycleArgs(
            pre_stop=k8s.core.v1.LifecycleHandlerArgs(
                exec_=k8s.core.v1.ExecActionArgs(command=["bash", "-c", DRAIN, "drain", str(ADMIN_PORT), str(QUIET)])
            )
        ),
        resources=k8s.core.v1.ResourceRequirementsArgs(requests=args.requests, limits=args.limits),
        security_context=k8s.core.v1.SecurityContextArgs(
            run_as_non_root=True,
            run_as_user=USER,
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
            seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[
            k8s.core.v1.VolumeMountArgs(name="config", mount_path=FOLDER, read_only=True),
            *(
                k8s.core.v1.VolumeMountArgs(name=volume, mount_path=f"{SECRETS}/{volume}", read_only=True)
                for volume in secrets(args)
            ),
        ],
    )


def _probe(path: str, period: int, failures: int) -> k8s.core.v1.ProbeArgs:
    return k8s.core.v1.ProbeArgs(
        http_get=k8s.core.v1.HTTPGetActionArgs(path=path, port="status"),
        period_seconds=period,
        timeout_seconds=5,
        failure_threshold=failures,
    )
