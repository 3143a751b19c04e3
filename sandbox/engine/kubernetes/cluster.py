"""The provider's API server: connects at the first use, and knows the paths of objects."""

import threading

from access import kubeconfig
from access.errors import NoAccess
from access.server import ApiServer
from sandbox.cluster.api import CONNECTIONS, Api, ApiError, Object, Unreachable


class NoSuchKind(ApiError):
    """The API server does not serve this kind: the CRD is missing, or the kind has a typo."""

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
        """The API server's client."""
        with self._connecting:
            if self._api is None:
                try:
                    self._api = Api(ApiServer.connect(kubeconfig.read(), self._context, CONNECTIONS), {})
                except NoAccess as error:
                    raise Unreachable(str(error)) from None
            return self._api

    def path(self, obj: Object) -> str:
        """Return the URL path of an object."""
        return f"{self.collection(obj)}/{obj['metadata']['name']}"

    def collection(self, obj: Object) -> str:
        """Return the URL path of the collection of an object."""
        plural, namespaced = self._kind(obj["apiVersion"], obj["kind"])
        place = f"/namespaces/{obj['metadata'].get('namespace', 'default')}" if namespaced else ""
        return f"{_root(obj['apiVersion'])}{place}/{plural}"

    def _kind(self, api_version: str, kind: str) -> tuple[str, bool]:
        """Return a kind's plural and whether it has namespaces. Unknown kinds are not cached: a CRD may appear."""
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
