"""Which process keeps a sandbox running, told apart from a later process with the same number."""

import json
import os
import select
import signal
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Keeper:
    """A running keeper: its process as the host sees it, and the host ports that lead to API server and gateways."""

    pid: int
    started: str
    port: int
    isolated: bool
    gateway_ports: tuple[int, ...] = ()

    def write(self, folder: Path) -> None:
        """Record it in `folder`, whole or not at all."""
        unfinished = folder / "keeper.unfinished"
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.rename(folder / "keeper.json")

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return started(self.pid) == self.started

    @property
    def has_users(self) -> bool:
        """Whether containers can run as users of their own: the keeper's user namespace has more than one."""
        mapped = Path(f"/proc/{self.pid}/uid_map").read_text().splitlines()
        return sum(int(line.split()[2]) for line in mapped) > 1

    def end(self, signal_number: int, seconds: float) -> bool:
        """Send a signal, wait; return whether the process is gone."""
        if not self.alive:
            return True
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            signal.pidfd_send_signal(handle, signal_number)
            ended = select.poll()  # unlike select.select it takes a handle of any number
            ended.register(handle, select.POLLIN)
            return bool(ended.poll(seconds * 1000))
        except ProcessLookupError:
            return True
        finally:
            os.close(handle)


def read(folder: Path) -> Keeper | None:
    """Return the last recorded keeper, alive or not."""
    try:
        return Keeper(**json.loads((folder / "keeper.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def started(pid: int) -> str:
    """Return when process `pid` was started: the boot it belongs to and clock ticks since; "" if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot}:{fields[19]}"
