"""The sandbox's API server as plain JSON, from the host. Importing this takes about half a second.

Paths and objects instead of the client's typed models: those take longer to build than the answers to fetch.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import config
from kubernetes.client import ApiClient
from urllib3.exceptions import HTTPError

from sandbox.errors import SandboxError

_MANAGER = "sandbox"


@contextmanager
def connect(kubeconfig: Path) -> Iterator["Api"]:
    """Yield a connection to the cluster of this file."""
    with config.new_client_from_config(str(kubeconfig)) as client:
        yield Api(client)


class Api:
    """Requests to one API server; `kubernetes.client.ApiException` when it refuses, `SandboxError` when it is gone."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read an object or a list."""
        return self._request("GET", path, query)

    def apply(self, path: str, body: object) -> dict[str, Any]:
        """Server-side apply an object as the sandbox itself, which owns it."""
        return self._request("PATCH", path, {"fieldManager": _MANAGER, "force": "true"}, body)

    def delete(self, path: str, **query: str) -> dict[str, Any]:
        """Delete an object."""
        return self._request("DELETE", path, query)

    def _request(self, method: str, path: str, query: dict[str, str], body: object = None) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml"
        try:
            answer = self._client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params=headers,
                body=body,
                _preload_content=False,
                _return_http_data_only=True,
            )
        except HTTPError:
            raise SandboxError(
                "the sandbox's API server doesn't answer: it was stopped meanwhile; `make up` starts it again"
            ) from None
        return dict(json.loads(answer.data))
