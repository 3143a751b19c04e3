"""The API server as the provider sees it: connected when it is needed first, with the paths of objects."""

import os
import threading
from pathlib import Path

from sandbox.cluster.api import Api, ApiError, Object, connections


class NoSuchKind(ApiError):
    """The API server doesn't know the kind: a missing CRD, or a typo."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(404, {"message": f'no matches for kind "{kind}" in version "{api_version}"'})


class Cluster:
    """The API server of a context of $KUBECONFIG. Every use may raise `Unreachable` or `ApiError`."""

    def __init__(self, context: str) -> None:
        self._context = context
        self._connecting = threading.Lock()
        self._api: Api | None = None
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    @property
    def api(self) -> Api:
        """Its connections."""
        with self._connecting:
            if self._api is None:
                self._api = Api(*connections(Path(os.environ["KUBECONFIG"]), self._context))
            return self._api

    def path(self, obj: Object) -> str:
        """The URL path of an object."""
        return f"{self.collection(obj)}/{obj['metadata']['name']}"

    def collection(self, obj: Object) -> str:
        """The URL path of the objects of its kind, in its namespace if it has one."""
        plural, namespaced = self._kind(obj["apiVersion"], obj["kind"])
        place = f"/namespaces/{obj['metadata'].get('namespace', 'default')}" if namespaced else ""
        return f"{_root(obj['apiVersion'])}{place}/{plural}"

    def _kind(self, api_version: str, kind: str) -> tuple[str, bool]:
        """The plural of a kind, and whether it has namespaces; an unknown kind is asked for anew: its CRD may come."""
        if (api_version, kind) not in self._kinds:
            try:
                listed = self.api.get(_root(api_version))["resources"]
            except ApiError as error:
                if error.code == 404:
                    raise NoSuchKind(api_version, kind) from None
                raise
            self._kinds |= {
                (api_version, one["kind"]): (one["name"], one["namespaced"]) for one in listed if "/" not in one["name"]
            }
        if (api_version, kind) not in self._kinds:
            raise NoSuchKind(api_version, kind)
        return self._kinds[api_version, kind]


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
