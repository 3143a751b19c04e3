"""Logs of each container by name, through the API server."""

import sys
import threading
from typing import TextIO

from sandbox.cluster.api import Api, ApiError, connect
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.talking import pods
from sandbox.talking.pods import ROLES, Pod


def logs(home: Home, pod: str, container: str = "", *, follow: bool = False, out: TextIO | None = None) -> int:
    """Print the log of a pod's container, or of all its containers with their names in front.

    `pod` is a role (prefill, decode, epp, gateway) or part of a name. Raises `SandboxError` with the existing names if
    that is not exactly one pod, or it has no such container.
    """
    with connect(home.host_kubeconfig) as api:
        chosen = _chosen(pods.listed(api), pod)
        if container and container not in chosen.container_names:
            raise SandboxError(
                f"{chosen.name} has no container {container!r}; it has: {', '.join(chosen.container_names)}"
            )
        names = [container] if container else chosen.container_names
        printer = _Printer(api, chosen, out or sys.stdout, named=len(names) > 1)
        if follow and len(names) > 1:
            threads = [threading.Thread(target=printer.print, args=(name, True), daemon=True) for name in names]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            for name in names:
                printer.print(name, follow)
    return 0


class _Printer:
    def __init__(self, api: Api, pod: Pod, out: TextIO, *, named: bool) -> None:
        self._api, self._pod, self._out, self._named = api, pod, out, named

    def print(self, container: str, follow: bool) -> None:
        """Print one container's log, or a line if it does not exist yet."""
        start = f"{container}  " if self._named else ""
        query = {"container": container, **({"follow": "true"} if follow else {})}
        try:
            for line in self._api.lines(f"{self._pod.path}/log", **query):
                print(f"{start}{line}", file=self._out, flush=True)
        except ApiError as error:
            print(f"{start}(no log: {error})", file=self._out, flush=True)


def _chosen(listed: list[Pod], words: str) -> Pod:
    found = pods.matching(listed, words) if words else listed
    if words and len(found) == 1:
        return found[0]
    there = [f"  {pod.role or '-':<8} {pod.name}  ({', '.join(pod.container_names)})" for pod in found or listed]
    what = (
        f"several pods match POD={words}"
        if words and found
        else f"no pod matches POD={words}"
        if words
        else "which pod?"
    )
    raise SandboxError(
        "\n".join([f"{what}; a role ({', '.join(ROLES)}) or a part of a name that only one of these has:", *there])
        if there
        else "there are no pods: `make up` deploys a stack"
    )
