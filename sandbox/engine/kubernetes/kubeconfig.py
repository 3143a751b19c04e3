"""Which cluster a provider means: its kubeconfig and context, as the Kubernetes tools read them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:  # it brings the Pulumi SDK along, a tenth of a second that the sandbox's commands needn't wait
    from sandbox.engine.kubernetes.settings import Settings

_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_LISTS = ("clusters", "contexts", "users")


class Unusable(Exception):
    """No kubeconfig, or none that names the cluster that is asked for."""


@dataclass(frozen=True)
class Target:
    """A kubeconfig as one mapping, and the context to use in it."""

    config: dict[str, Any]
    context: str

    @property
    def _entry(self) -> dict[str, Any]:
        return dict(_named(self.config["contexts"], self.context) or {})

    @property
    def namespace(self) -> str:
        """The context's namespace."""
        return str(self._entry.get("namespace") or "default")

    @property
    def cluster(self) -> dict[str, Any]:
        """The context's cluster; empty when it names no known one."""
        return dict(_named(self.config["clusters"], self._entry.get("cluster", "")) or {})

    @property
    def user(self) -> dict[str, Any]:
        """How the context logs in."""
        return dict(_named(self.config["users"], self._entry.get("user", "")) or {})

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self.cluster.get("server", ""))


def target(settings: "Settings") -> Target:
    """Find the cluster that the settings mean; raises `Unusable` with the reason.

    An empty kubeconfig stands for $KUBECONFIG or ~/.kube/config, a path for that file; else it is the content itself.
    """
    config = _merged(settings.kubeconfig)
    context = settings.context or config["current-context"]
    names = [entry["name"] for entry in config["contexts"]]
    if context not in names:
        if not context:
            raise Unusable("invalid configuration: no context is chosen and the kubeconfig has no current-context")
        raise Unusable(f"context {context!r} does not exist; contexts that do: {', '.join(names) or 'none'}")
    if settings.cluster:
        _named(config["contexts"], context)["cluster"] = settings.cluster
    found = Target(config, context)
    if not found.server:
        raise Unusable(f"the cluster of context {context!r} does not exist in the kubeconfig")
    return found


def _merged(given: str) -> dict[str, Any]:
    if "\n" in given or given.lstrip().startswith("{"):
        return _complete([_parsed(given, "the provider's kubeconfig")])
    places = given or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    files = [Path(place).expanduser() for place in places.split(os.pathsep) if place]
    present = [file for file in files if file.is_file()]
    if not present:
        raise Unusable(f"there is no kubeconfig: {places} does not exist")
    return _complete([_absolute(_parsed(file.read_text(), str(file)), file.parent) for file in present])


def _complete(configs: list[dict[str, Any]]) -> dict[str, Any]:
    """One kubeconfig of several: the first to name something wins."""
    merged: dict[str, Any] = {key: [] for key in _LISTS}
    for key in _LISTS:
        for config in configs:
            names = [entry["name"] for entry in merged[key]]
            merged[key] += [entry for entry in config.get(key) or [] if entry["name"] not in names]
    merged["current-context"] = next(filter(None, (config.get("current-context") for config in configs)), "")
    return merged


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Unusable(f"{where} is not YAML: {error}") from None
    if not isinstance(config, dict):
        raise Unusable(f"{where} is not a kubeconfig")
    return config


def _absolute(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    for entry in [*(config.get("clusters") or []), *(config.get("users") or [])]:
        inner = entry.get("cluster") or entry.get("user") or {}
        inner.update({key: str(folder / inner[key]) for key in _FILES if inner.get(key)})
    return config


def _named(entries: list[dict[str, Any]], name: str) -> Any:
    """The cluster, context or user of that name."""
    for entry in entries:
        if entry["name"] == name:
            return next((value for key, value in entry.items() if key != "name"), None)
    return None
