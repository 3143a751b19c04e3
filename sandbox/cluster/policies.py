"""The admission policies of a cluster description, as objects of the API server."""

from pathlib import Path

from sandbox.cluster.api import ApiError, connect
from sandbox.cluster.description import POLICIES
from sandbox.cluster.descriptions import Choice
from sandbox.cluster.nodes import CLUSTER_LABEL
from sandbox.errors import SandboxError


def provide(kubeconfig: Path, choice: Choice) -> None:
    """Make the cluster's admission policies those of a description; those of an earlier one go.

    Raises `SandboxError` with the API server's words for a policy that it refuses.
    """
    wanted = {policy.path: policy.manifest for policy in choice.description.admission_policies}
    with connect(kubeconfig) as api:
        for collection in POLICIES.values():
            for one in api.get(collection, labelSelector=CLUSTER_LABEL)["items"]:
                path = f"{collection}/{one['metadata']['name']}"
                if path not in wanted:
                    api.delete(path)
        for path, manifest in wanted.items():
            metadata = manifest["metadata"]
            labels = {**(metadata.get("labels") or {}), CLUSTER_LABEL: choice.label}
            try:
                api.apply(path, {**manifest, "metadata": {**metadata, "labels": labels}})
            except ApiError as error:
                raise SandboxError(
                    f"CLUSTER={choice.name}: the API server refuses the admission policy {metadata['name']}: {error}"
                ) from None
