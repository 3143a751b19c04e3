"""The pod and the Deployment of a worker tier."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.manifests import Manifest, data
from components.plan.worker_args import ResolvedTier, RolloutArgs, Strategy
from components.pods import placement, vllm
from components.pods.volumes import volumes

DEPLOYMENT = "deployment"
"""Pulumi resource of a tier's Deployment, after the component's name."""

SETTLED = 1
"""Seconds that a worker is Ready before it counts: the picker has seen it by then. Else the first request after `up`,
or the next step of a roll-out, could come while the picker knows no worker of the tier (429)."""


def objects(worker: ResolvedTier, sidecars: Sequence[k8s.core.v1.ContainerArgs] = ()) -> list[Manifest]:
    """Deployment and PodDisruptionBudget of a tier; `sidecars` start before vLLM."""
    spec, budget = data(_deployment(worker, sidecars)), data(_disruption_budget(worker))
    shape, place = _shape(worker), (worker.name, worker.namespace, worker.labels)
    return [
        Manifest(DEPLOYMENT, "apps/v1", "Deployment", *place, {"spec": spec}, shape),
        Manifest("disruption-budget", "policy/v1", "PodDisruptionBudget", *place, {"spec": budget}),
    ]


def _deployment(worker: ResolvedTier, sidecars: Sequence[k8s.core.v1.ContainerArgs]) -> k8s.apps.v1.DeploymentSpecArgs:
    return k8s.apps.v1.DeploymentSpecArgs(
        replicas=worker.replicas,
        progress_deadline_seconds=worker.rollout.progress_deadline,
        min_ready_seconds=SETTLED,
        strategy=_strategy(worker.rollout),
        selector=k8s.meta.v1.LabelSelectorArgs(match_labels=worker.selector),
        template=k8s.core.v1.PodTemplateSpecArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(labels=worker.labels, annotations=worker.annotations or None),
            spec=_pod(worker, sidecars),
        ),
    )


def _disruption_budget(worker: ResolvedTier) -> k8s.policy.v1.PodDisruptionBudgetSpecArgs:
    """A drain of nodes takes one worker at a time, and the next when its successor is Ready.

    Never `minAvailable`: for a tier of one it would say that its node can never be drained. A worker that is not Ready
    serves no request: while it loads, or crashes, it holds up no drain.
    """
    return k8s.policy.v1.PodDisruptionBudgetSpecArgs(
        max_unavailable=1,
        selector=k8s.meta.v1.LabelSelectorArgs(match_labels=worker.selector),
        unhealthy_pod_eviction_policy="AlwaysAllow",
    )


def _shape(worker: ResolvedTier) -> dict[str, str]:
    """Annotation of the Deployment that says what one pod takes of a node.

    A change of shape replaces the tier as a whole (`options`). Rolled, it would never finish: Kubernetes scales
    the old pods to the new count first, and they keep the GPUs that the new ones wait for.
    """
    network = "host" if worker.host_network else "pod"
    return {"llm-d.ai/pod-shape": f"{worker.gpus} x GPU, {network} network"}


def options(worker: ResolvedTier, after: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
    """How long Pulumi waits for the tier's Deployment, and when it is replaced instead of rolled.

    It is made after the resources in `after`, and deleted before them.
    """
    rollout = worker.rollout
    return pulumi.ResourceOptions(
        depends_on=list(after),
        custom_timeouts=pulumi.CustomTimeouts(
            create=f"{rollout.create_timeout}s",
            update=f"{rollout.update_timeout}s",
            delete=f"{rollout.delete_timeout}s",
        ),
        replace_on_changes=["metadata.annotations", *(["spec.template"] if rollout.replaced else [])],
        # Declared all the same: left out of an update, the field would become 1 (pulumi-kubernetes 4.32).
        ignore_changes=["spec.replicas"] if worker.autoscaled else None,
        delete_before_replace=True,
    )


def _pod(worker: ResolvedTier, sidecars: Sequence[k8s.core.v1.ContainerArgs]) -> k8s.core.v1.PodSpecArgs:
    return k8s.core.v1.PodSpecArgs(
        service_account_name=worker.service_account,
        automount_service_account_token=False,  # neither vLLM nor the sidecar asks the API server
        # A Service called vllm would be VLLM_PORT=tcp://…, with which vLLM does not start (vllm-project/vllm#34199).
        enable_service_links=False,
        image_pull_secrets=placement.pull_secrets(worker.image.pull_secrets),
        init_containers=list(sidecars) or None,
        containers=[vllm.container(worker)],
        volumes=volumes(worker),
        termination_grace_period_seconds=worker.rollout.termination_grace,
        security_context=_volume_rights(worker),
        host_network=True if worker.host_network else None,
        # Without it a pod on the host's network would ask the node's DNS, which knows no Service.
        dns_policy="ClusterFirstWithHostNet" if worker.host_network else None,
        node_selector=worker.placement.node_selector or None,
        tolerations=placement.tolerations(worker.placement),
        affinity=placement.affinity(worker.placement),  # type: ignore[arg-type]  # a user's, passed on as written
        priority_class_name=worker.placement.priority_class,
        runtime_class_name=worker.placement.runtime_class,
        scheduler_name=worker.placement.scheduler,
    )


def _volume_rights(worker: ResolvedTier) -> k8s.core.v1.PodSecurityContextArgs | None:
    groups = worker.confinement.supplemental_groups
    if worker.fs_group is None and not groups:
        return None
    return k8s.core.v1.PodSecurityContextArgs(
        fs_group=worker.fs_group,
        fs_group_change_policy=None if worker.fs_group is None else "OnRootMismatch",
        supplemental_groups=groups or None,
    )


def _strategy(rollout: RolloutArgs) -> k8s.apps.v1.DeploymentStrategyArgs:
    if rollout.strategy is Strategy.RECREATE:
        return k8s.apps.v1.DeploymentStrategyArgs(type="Recreate")
    rolling = k8s.apps.v1.RollingUpdateDeploymentArgs(
        max_surge=rollout.max_surge, max_unavailable=rollout.max_unavailable
    )
    return k8s.apps.v1.DeploymentStrategyArgs(type="RollingUpdate", rolling_update=rolling)
