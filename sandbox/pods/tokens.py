"""Tokens of the pods' ServiceAccounts, asked of the API server as a kubelet asks."""

import threading
import time
from dataclasses import dataclass, field

from sandbox.cluster.api import Api, Object

_RENEWED_AFTER = 0.8
"""The part of a token's life after which a kubelet asks for another."""


@dataclass
class Tokens:
    """Tokens bound to pods: each dies with its pod, and is renewed while the pod runs."""

    api: Api
    _held: dict[tuple[str, str, int], tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, pod: Object, wanted: Object) -> str:
        """Return a token for a serviceAccountToken source. Raises `ApiError` when the server refuses one."""
        metadata, seconds = pod["metadata"], int(wanted.get("expirationSeconds", 3600))
        key = (metadata["uid"], wanted.get("audience", ""), seconds)
        with self._lock:
            token, renewal = self._held.get(key, ("", 0.0))
        if time.monotonic() < renewal:
            return token
        account = pod["spec"].get("serviceAccountName", "default")
        spec: Object = {
            "expirationSeconds": seconds,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]},
        }
        if wanted.get("audience"):
            spec["audiences"] = [wanted["audience"]]
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        token = str(self.api.create(path, request)["status"]["token"])
        with self._lock:
            self._held[key] = (token, time.monotonic() + seconds * _RENEWED_AFTER)
        return token

    def forget(self, uid: str) -> None:
        """Drop the tokens of a pod that is gone."""
        with self._lock:
            self._held = {key: held for key, held in self._held.items() if key[0] != uid}
