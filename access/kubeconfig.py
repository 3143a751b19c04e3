"""The kubeconfig as kubectl reads it: files of $KUBECONFIG, or the default one; the first entry of a name wins."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML has it: ten times as fast, and kubeconfigs of many clusters are long."""

FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""Entries that name a file, relative to the kubeconfig's own folder."""

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds the token of its ServiceAccount and the cluster's authority."""

INSIDE = "in-cluster"
"""Context of a program that runs in a pod and has no other."""


@dataclass(frozen=True)
class Kubeconfig:
    """What all files say together, by name."""

    current: str | None = None
    contexts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    clusters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    users: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def cluster(self, context: str | None) -> Mapping[str, Any]:
        """The cluster of a context; empty where there is none."""
        return self.clusters.get(self.contexts.get(context or "", {}).get("cluster", ""), {})

    def user(self, context: str | None) -> Mapping[str, Any]:
        """How a context logs in; empty where it does not say."""
        return self.users.get(self.contexts.get(context or "", {}).get("user", ""), {})


def read(files: str = "") -> Kubeconfig:
    """Read these files, in the form of `$KUBECONFIG`; by default those of this machine.

    A file that cannot be read counts as empty; whoever needs the cluster reports it.
    """
    files = files or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    current: str | None = None
    entries: dict[str, dict[str, Any]] = {"context": {}, "cluster": {}, "user": {}}
    for file in map(Path, filter(None, files.split(os.pathsep))):
        document = _load(file)
        current = current or document.get("current-context") or None
        for kind, known in entries.items():
            for entry in document.get(f"{kind}s") or []:
                known.setdefault(entry["name"], _placed(entry.get(kind) or {}, file.parent))
    if current is None and (inside := _of_pod()):
        current = INSIDE
        entries["context"][INSIDE] = {"cluster": INSIDE, "user": INSIDE}
        entries["cluster"][INSIDE], entries["user"][INSIDE] = inside
    return Kubeconfig(current, entries["context"], entries["cluster"], entries["user"])


def _of_pod() -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Cluster and user of the pod that this runs in; None outside."""
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{each}") for each in ("HOST", "PORT"))
    token, authority = ACCOUNT / "token", ACCOUNT / "ca.crt"
    if not host or not port or not token.is_file():
        return None
    server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    trusted = {"certificate-authority": str(authority)} if authority.is_file() else {}
    return {"server": server, **trusted}, {"tokenFile": str(token)}


def _placed(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The entry with its files and its login program found from the kubeconfig's folder."""
    placed = entry | {key: str(folder / entry[key]) for key in FILES if entry.get(key)}
    program = entry.get("exec") or {}
    if os.sep in program.get("command", ""):
        placed["exec"] = {**program, "command": str(folder / program["command"])}
    return placed


def _load(file: Path) -> dict[str, Any]:
    try:
        document = yaml.load(file.read_text(), Loader=LOADER)
    except (OSError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}
