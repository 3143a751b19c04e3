"""What the stack's pods need of Pod Security, and the level of the namespace."""

from collections.abc import Iterable, Iterator
from typing import Any

from components.config.vocabulary import PodSecurity
from components.plan.context import Context
from components.plan.pod_security import Violation, refused_by, violations
from components.plan.worker_args import ResolvedTier
from components.plan.workers import Tiers

LABEL = "pod-security.kubernetes.io/enforce"


def of_worker(worker: ResolvedTier) -> list[Violation]:
    """What stricter levels refuse of a tier's vLLM container and volumes.

    The routing sidecar, the endpoint picker and the standalone Envoy pass `restricted`; on the host's network the
    sidecar has a port of the node, as vLLM has.
    """
    return violations(_rights(worker))


def beyond(level: PodSecurity, workers: Iterable[ResolvedTier]) -> list[str]:
    """What the workers have that a level does not admit, in words, sorted; empty: it admits them."""
    return sorted({each.what for worker in workers for each in refused_by(level, of_worker(worker))})


def label(context: Context, workers: Iterable[ResolvedTier]) -> PodSecurity | None:
    """Level that a namespace of the stack's own enforces; None: it has no label, and the cluster's default holds.

    Without the setting it is `privileged` where the workers need that. Otherwise there is no label. A label would be
    stricter than most clusters' default, and other pods of the namespace may need more (istio injects NET_ADMIN).
    """
    security = context.settings.security
    if "pod_security" in security.model_fields_set:
        return security.pod_security
    return PodSecurity.PRIVILEGED if beyond(PodSecurity.BASELINE, workers) else None


def warnings(context: Context, tiers: Tiers) -> Iterator[str]:
    """Workers that a namespace without the label may refuse, and proxies with a fixed security context."""
    settings, provider = context.settings, context.provider
    exceeding = ", ".join(beyond(PodSecurity.BASELINE, tiers.values()))
    if exceeding and not settings.create_namespace:
        yield (
            f"the workers have {exceeding}, which Pod Security admits at the level privileged alone; the namespace "
            f"{settings.namespace} is not created by this stack, so it is not labelled: "
            f"`kubectl label namespace {settings.namespace} {LABEL}=privileged`"
        )
    elif exceeding and label(context, tiers.values()) is None:
        yield (
            f"serving.security.podSecurity: null gives the namespace {settings.namespace} no label, and the workers "
            f"have {exceeding}: where the cluster's default level is baseline or restricted, the API server refuses "
            "every one of their pods"
        )
    if provider.fixed_user is None or settings.gateway.existing:
        return
    chosen = f"serving.gateway.provider: {provider.word} in release {settings.release}"
    if context.random_users:
        yield (
            f"{chosen} runs its proxies as user {provider.fixed_user} and no setting changes that: OpenShift refuses "
            f"them, unless `oc adm policy add-scc-to-user nonroot-v2 -z {context.names.gateway} -n "
            f"{settings.namespace}` admits that user"
        )
    if settings.security.pod_security is PodSecurity.RESTRICTED:
        yield (
            f"serving.security.podSecurity: restricted may keep the gateway's proxies out: {chosen} cannot set "
            "their security context"
        )


def _rights(worker: ResolvedTier) -> dict[str, Any]:
    """The part of the pod that `components/pods` renders from these facts and that Pod Security judges."""
    own = worker.confinement
    profile = own.seccomp_profile and own.seccomp_profile.partition("/")[0]
    security = {
        "capabilities": {"add": worker.capabilities, "drop": own.drop_capabilities},
        "privileged": worker.privileged or None,
        "runAsUser": worker.run_as_user,
        "runAsNonRoot": own.run_as_non_root,
        "allowPrivilegeEscalation": own.allow_privilege_escalation,
        "seccompProfile": {"type": profile} if profile else None,
    }
    security = {field: value for field, value in security.items() if value is not None}
    ports = [{"hostPort": each} for each in (worker.port, worker.nixl_port)] if worker.host_network else []
    return {
        "hostNetwork": worker.host_network,
        "containers": [{"name": "vllm", "ports": ports, "securityContext": security}],
        "volumes": [{"name": f"host-{index}", "hostPath": {}} for index, _ in enumerate(worker.host_paths)],
    }
