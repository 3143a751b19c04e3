"""The cluster that the kubeconfig leads to, and Pulumi's Kubernetes provider for all objects of the stack."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from access import kubeconfig
from access.kubeconfig import Kubeconfig
from components.config.problem import Problem
from components.config.settings import Cluster

IDENTIFIER = "llm-d-pd"
"""The provider's `clusterIdentifier`. Another one replaces every object, so no setting and no login changes it:
preflight compares the UID of kube-system."""


@dataclass(frozen=True)
class Target:
    """The cluster that the kubeconfig leads to. `context` and `server` are None where it leads to none."""

    settings: Cluster
    kubeconfig: Kubeconfig

    @property
    def context(self) -> str | None:
        """The context of the settings, else the kubeconfig's current one."""
        return self.settings.context or self.kubeconfig.current

    @property
    def server(self) -> str | None:
        return self.kubeconfig.cluster(self.context).get("server")

    @property
    def missing(self) -> Problem | None:
        """The problem that the kubeconfig lacks the context of the settings; None: it has the context."""
        named, known = self.settings.context, sorted(self.kubeconfig.contexts)
        if named is None or named in known:
            return None
        return Problem(
            "serving.cluster.context",
            named,
            f"is not in the kubeconfig, which has: {', '.join(known) or 'no context at all'}",
            "there is no cluster to deploy to",
            "name one of those, set KUBECONFIG to the file that has it, or "
            "`pulumi config rm --path serving.cluster.context`",
        )

    def problems(self) -> list[Problem]:
        """Problems that stop an `up`. A preview needs no cluster."""
        return [] if self.missing is None or pulumi.runtime.is_dry_run() else [self.missing]

    def announce(self) -> None:
        """Print the cluster on every preview and `up`, and warn if an `up` would stop."""
        pulumi.info(f"target cluster: {self}")
        if self.missing:
            pulumi.warn(f"pulumi up will be refused:\n{self.missing.text()}")

    def __str__(self) -> str:
        if self.context is None:
            return "no cluster: the kubeconfig has no current context"
        return f"context {self.context}, server {self.server or 'unknown'}"


def find(settings: Cluster) -> Target:
    """The cluster of the settings, from this machine's kubeconfig; sends no request to it."""
    return Target(settings, kubeconfig.read())


def provider(settings: Cluster, *, adopt: bool = False) -> k8s.Provider:
    """The provider of every object.

    The kubeconfig is empty on purpose: the SDK would otherwise write this machine's $KUBECONFIG into the state, and
    every other machine's preview show a change; the plugin finds it by itself. A stack keeps the `clusterIdentifier`
    with which it was made: earlier versions took the name of the context. ConfigMaps and Secrets are changed in place:
    their replacement would also replace the Deployments that name them. With `adopt`, objects that exist already are
    taken over, and fields of other field managers too.
    """
    return k8s.Provider(
        "cluster",
        kubeconfig="",
        context=settings.context,
        cluster_identifier=IDENTIFIER,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        upsert_existing_objects=adopt or None,
        enable_patch_force=adopt or None,
        opts=pulumi.ResourceOptions(ignore_changes=["clusterIdentifier"]),
    )
