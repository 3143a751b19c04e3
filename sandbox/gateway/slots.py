"""Which Gateway, or further listener of one, has which of the host's ports: in order, and the same after a restart."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from sandbox.gateway.store import Key

FILE = "gateways.json"
"""In the sandbox's home: "<namespace>/<Gateway>" → port of the host's 127.0.0.1, which leads to its first listener;
"<namespace>/<Gateway>:<port>" for another. Whole or not there."""


def door(gateway: Key, port: int) -> Key:
    """Return what a listener that isn't a Gateway's first is called here."""
    return gateway[0], f"{gateway[1]}:{port}"


class Slots:
    """The host's ports and who has them."""

    def __init__(self, folder: Path, ports: Iterable[int]) -> None:
        self._file, self._ports = folder / FILE, list(ports)
        self.taken = {key: port for key, port in read(folder).items() if port in self._ports}

    def assign(self, gateways: Iterable[Key]) -> None:
        """Give each of these Gateways, oldest first, a port while there is one; take it from all others."""
        wanted = list(gateways)
        taken = {key: port for key, port in self.taken.items() if key in wanted}
        for key in wanted:
            free = [port for port in self._ports if port not in taken.values()]
            if key not in taken and free:
                taken[key] = free[0]
        if taken != self.taken or not self._file.exists():
            self.taken = taken
            self._write()

    def holder(self, port: int) -> Key | None:
        """Return the Gateway that has a port."""
        return next((key for key, taken in self.taken.items() if taken == port), None)

    def _write(self) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps({"/".join(key): port for key, port in self.taken.items()}))
        draft.replace(self._file)


def read(folder: Path) -> Mapping[Key, int]:
    """Return the host port of each Gateway of the sandbox in `folder`, by namespace and name."""
    try:
        content = json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        return {}
    return {(name.partition("/")[0], name.partition("/")[2]): port for name, port in content.items()}
