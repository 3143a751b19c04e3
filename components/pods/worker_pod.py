"""The pod and the Deployment of a worker tier."""

from collections.abc import Sequence

import pulumi

from components.manifests import Fields, Manifest, given
from components.plan.worker_args import ResolvedTier, RolloutArgs, Strategy
from components.pods import placement, vllm
from components.pods.volumes import volumes

DEPLOYMENT = "deployment"
"""Pulumi resource of a tier's Deployment, after the component's name."""

SETTLED = 1
"""Seconds that a worker is Ready before it counts: the picker has seen it by then. Otherwise the first request after
`up`, or the next step of a roll-out, could come while the picker knows no worker of the tier (429)."""


def objects(worker: ResolvedTier, sidecars: Sequence[Fields] = ()) -> list[Manifest]:
    """Deployment and PodDisruptionBudget of a tier; `sidecars` start before vLLM."""
    spec, budget = _deployment(worker, sidecars), _disruption_budget(worker)
    shape, place = _shape(worker), (worker.name, worker.namespace, worker.labels)
    return [
        Manifest(DEPLOYMENT, "apps/v1", "Deployment", *place, {"spec": spec}, shape),
        Manifest("disruption-budget", "policy/v1", "PodDisruptionBudget", *place, {"spec": budget}),
    ]


def _deployment(worker: ResolvedTier, sidecars: Sequence[Fields]) -> Fields:
    metadata = {"labels": worker.labels, "annotations": worker.annotations or None}
    deployment = {
        "replicas": worker.replicas,
        "progressDeadlineSeconds": worker.rollout.progress_deadline,
        "minReadySeconds": SETTLED,
        "strategy": _strategy(worker.rollout),
        "selector": {"matchLabels": worker.selector},
        "template": {"metadata": given(metadata), "spec": _pod(worker, sidecars)},
    }
    return given(deployment)


def _disruption_budget(worker: ResolvedTier) -> Fields:
    """A drain of nodes takes one worker at a time, and the next when its successor is Ready.

    Not `minAvailable`: with it, the node of a tier with one worker could never be drained. A worker that is not Ready
    serves no request: while it loads, or crashes, it holds up no drain.
    """
    return {
        "maxUnavailable": 1,
        "selector": {"matchLabels": worker.selector},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


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
        # Still declared: an update without the field would set it to 1 (pulumi-kubernetes 4.32).
        ignore_changes=["spec.replicas"] if worker.autoscaled else None,
        delete_before_replace=True,
    )


def _pod(worker: ResolvedTier, sidecars: Sequence[Fields]) -> Fields:
    pod = {
        "serviceAccountName": worker.service_account,
        "automountServiceAccountToken": False,  # neither vLLM nor the sidecar asks the API server
        # A Service called vllm would be VLLM_PORT=tcp://…, with which vLLM does not start (vllm-project/vllm#34199).
        "enableServiceLinks": False,
        "imagePullSecrets": placement.pull_secrets(worker.image.pull_secrets),
        "initContainers": list(sidecars) or None,
        "containers": [vllm.container(worker)],
        "volumes": volumes(worker),
        "terminationGracePeriodSeconds": worker.rollout.termination_grace,
        "securityContext": _volume_rights(worker),
        "hostNetwork": True if worker.host_network else None,
        # Without it a pod on the host's network would ask the node's DNS, which knows no Service.
        "dnsPolicy": "ClusterFirstWithHostNet" if worker.host_network else None,
        "nodeSelector": worker.placement.node_selector or None,
        "tolerations": placement.tolerations(worker.placement),
        "affinity": placement.affinity(worker.placement),
        "priorityClassName": worker.placement.priority_class,
        "runtimeClassName": worker.placement.runtime_class,
        "schedulerName": worker.placement.scheduler,
    }
    return given(pod)


def _volume_rights(worker: ResolvedTier) -> Fields | None:
    groups = worker.confinement.supplemental_groups
    rights = {
        "fsGroup": worker.fs_group,
        "fsGroupChangePolicy": None if worker.fs_group is None else "OnRootMismatch",
        "supplementalGroups": groups or None,
    }
    return given(rights) or None


def _strategy(rollout: RolloutArgs) -> Fields:
    if rollout.strategy is Strategy.RECREATE:
        return {"type": "Recreate"}
    rolling = {"maxSurge": rollout.max_surge, "maxUnavailable": rollout.max_unavailable}
    return {"type": "RollingUpdate", "rollingUpdate": given(rolling)}
