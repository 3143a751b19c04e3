"""The target cluster: said, looked up, printed; and the one Kubernetes provider that reaches it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import yaml

from components.config.problem import Problem
from components.config.settings import Cluster

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML has it: ten times as fast, and kubeconfigs of many clusters are long."""


@dataclass(frozen=True)
class Target:
    """The cluster that the kubeconfig leads to. `context` and `server` are None where it leads to none."""

    settings: Cluster
    context: str | None
    server: str | None
    known: Sequence[str]
    """All contexts of the kubeconfig."""

    @property
    def missing(self) -> Problem | None:
        """The named context that the kubeconfig does not have."""
        named = self.settings.context
        if named is None or named in self.known:
            return None
        return Problem(
            "serving.cluster.context",
            named,
            f"is not in the kubeconfig, which has: {', '.join(self.known) or 'no context at all'}",
            "there is no cluster to deploy to",
            "name one of those, set KUBECONFIG to the file that has it, or "
            "`pulumi config rm --path serving.cluster.context`",
        )

    def problems(self) -> list[Problem]:
        """What stops an `up`; a preview does without a cluster."""
        return [] if self.missing is None or pulumi.runtime.is_dry_run() else [self.missing]

    def announce(self) -> None:
        """Say on every preview and `up` which cluster is meant, and warn where an `up` would stop."""
        pulumi.info(f"target cluster: {self}")
        if self.missing:
            pulumi.warn(f"pulumi up will be refused:\n{self.missing.text()}")

    def __str__(self) -> str:
        if self.context is None:
            return "no cluster: the kubeconfig has no current context"
        return f"context {self.context}, server {self.server or 'unknown'}"


def find(settings: Cluster) -> Target:
    """Read the kubeconfig as kubectl does: files of $KUBECONFIG, or the default one; the first entry of a name wins.

    No API call. A file that cannot be read counts as empty; the plugin reports it when it needs the cluster.
    """
    files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    current: str | None = None
    contexts: dict[str, Any] = {}
    clusters: dict[str, Any] = {}
    for file in filter(None, files.split(os.pathsep)):
        document = _load(Path(file))
        current = current or document.get("current-context")
        for entries, key in ((contexts, "context"), (clusters, "cluster")):
            for entry in document.get(f"{key}s") or []:
                entries.setdefault(entry["name"], entry.get(key) or {})
    context = settings.context or current or None
    server = clusters.get(contexts.get(context, {}).get("cluster"), {}).get("server") if context else None
    return Target(settings, context, server, sorted(contexts))


def provider(settings: Cluster) -> k8s.Provider:
    """The provider of every object.

    The kubeconfig is empty on purpose: the SDK would otherwise write this machine's $KUBECONFIG into the state, and
    every other machine's preview show a change; the plugin finds it by itself. ConfigMaps and Secrets are changed in
    place: replaced, they would take the Deployments that name them along.
    """
    return k8s.Provider(
        "cluster",
        kubeconfig="",
        context=settings.context,
        cluster_identifier=settings.identifier or settings.context,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )


def _load(file: Path) -> dict[str, Any]:
    try:
        document = yaml.load(file.read_text(), Loader=LOADER)
    except (OSError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}
