"""The folder of one sandbox with all its files; git ignores it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

CHECKOUT = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Home:
    """Paths of one sandbox's folders and files. Reading a path creates nothing."""

    root: Path

    @classmethod
    def of(cls, checkout: Path = CHECKOUT, name: str | None = None) -> "Home":
        """Return the home of sandbox `name` (else $SANDBOX, else "default") in a checkout.

        Raises `SandboxError` for a name that isn't lower-case letters, digits and dashes, 32 at most.
        """
        name = name or os.environ.get("SANDBOX") or "default"
        if not _NAME.fullmatch(name):
            raise SandboxError(
                f"the sandbox name {name!r} can't be a folder name: use lower-case letters, digits and dashes, "
                "32 at most (argument --name or the variable SANDBOX)"
            )
        return cls(checkout.resolve() / ".sandbox" / name)

    @property
    def name(self) -> str:
        """The sandbox's name."""
        return self.root.name

    @property
    def lock(self) -> Path:
        """Lock for start, stop and deletion; beside the folder, so that it survives the folder."""
        return self.root.with_name(f"{self.name}.lock")

    @property
    def cluster(self) -> Path:
        """Folder of the control plane: etcd's data, certificates, the record of the keeper."""
        return self.root / "cluster"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig for commands inside the sandbox."""
        return self.cluster / "kubeconfig"

    @property
    def host_kubeconfig(self) -> Path:
        """Kubeconfig for the host: the same API server through a relay on 127.0.0.1."""
        return self.cluster / "host-kubeconfig"

    @property
    def description(self) -> Path:
        """File with the name or path of the chosen cluster description."""
        return self.root / "cluster-description"

    @property
    def logs(self) -> Path:
        """Folder of the logs of the sandbox's own processes."""
        return self.root / "logs"

    @property
    def view(self) -> Path:
        """Folder in which Pulumi runs."""
        return self.root / "view"

    @property
    def state(self) -> Path:
        """Folder of Pulumi's file backend and PULUMI_HOME."""
        return self.root / "state"
