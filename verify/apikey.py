"""The API key that the workers ask for: read from the Secret that their pods name, and never printed."""

import os
from base64 import b64decode

from verify.cluster import Cluster, Object
from verify.finding import Unreachable, VerifyError
from verify.tiers import VLLM, Tier

VARIABLE = "VLLM_API_KEY"


def given(variable: str) -> str:
    """Return the key in an environment variable of this process. Raises `VerifyError` when it holds none."""
    key = os.environ.get(variable, "")
    if not key:
        raise VerifyError(f"--api-key-from: the environment has no variable {variable}, or it is empty")
    return key


def read(cluster: Cluster, namespace: str, tier: Tier) -> str | None:
    """Return the key that a tier's pods are given; None: vLLM asks for none. Raises `Unreachable`."""
    found = next((reference for pod in tier.pods if (reference := _reference(pod))), None)
    if found is None:
        return None
    secret = cluster.get(f"/api/v1/namespaces/{namespace}/secrets/{found['name']}")
    text = (secret.get("data") or {}).get(found["key"])
    if not text:
        raise Unreachable(
            f"Secret {found['name']} has no key {found['key']}, which the {tier.role} pods name",
            "serving.security.apiKey, or the Secret",
        )
    return b64decode(text).decode()


def _reference(pod: Object) -> Object | None:
    """Return name and key of the Secret from which a pod's vLLM has its API key."""
    for container in pod["spec"]["containers"]:
        if container["name"] == VLLM:
            for one in container.get("env") or []:
                if one["name"] == VARIABLE:
                    return (one.get("valueFrom") or {}).get("secretKeyRef")
    return None
