"""The command lines that make and start etcd, kube-apiserver, its controllers, its scheduler and kwok."""

import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from sandbox.cluster import network, record

KUBERNETES = "v1.34.1"
PORT = 6443
"""Where the API server listens inside the sandbox's network."""

AUDIT = "SANDBOX_AUDIT"
"""Environment variable: file with an audit policy; the API server of a new sandbox then writes down who did what."""

_CLUSTER = "sandbox"
_BINARIES = {name: name for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")} | {
    "kwok-controller": "kwok"
}


@dataclass(frozen=True)
class ControlPlane:
    """One kwokctl cluster in `folder`. Not `isolated`: no network of its own, so everything stays on 127.0.0.1."""

    folder: Path
    tools: dict[str, str]
    isolated: bool

    @property
    def environment(self) -> dict[str, str]:
        """What kwokctl reads from its environment."""
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        return keep | {"KWOK_WORKDIR": str(self.folder / "kwok"), "KWOK_KUBE_VERSION": KUBERNETES}

    @property
    def exists(self) -> bool:
        """Whether a start got as far as a whole cluster; anything less is thrown away and made anew."""
        return self._mode.exists()

    @property
    def fits(self) -> bool:
        """Whether a cluster that exists was made in this mode: addresses and ports are part of it."""
        return not self.exists or self._mode.read_text() == str(self.isolated)

    @property
    def command(self) -> list[str]:
        """The kwokctl command that makes the cluster, or starts it again."""
        if self.exists:
            return [self.tools["kwokctl"], "start", "cluster", "--name", _CLUSTER, "--wait", "180s"]
        configuration = "kwok.yaml" if self.isolated else "kwok-simulated.yaml"
        create = [self.tools["kwokctl"], "create", "cluster", "--name", _CLUSTER, "--wait", "180s"]
        create += ["--runtime", "binary", "--config", str(Path(__file__).with_name(configuration))]
        create += ["--kubeconfig", str(self.folder / "kubeconfig"), "--disable-qps-limits"]
        # No leases: a restarted kwok leaves nodes alone until those of its last run end, 200 s later.
        create += ["--node-lease-duration-seconds", "0"]
        if policy := os.environ.get(AUDIT):
            create += ["--kube-audit-policy", policy]
        for component, name in _BINARIES.items():
            create += [f"--{component}-binary", self.tools[name]]
        arguments = [f"kube-apiserver=advertise-address={network.ADDRESS}"]
        if self.isolated:
            create += ["--kube-apiserver-port", str(PORT)]
        else:
            # kwokctl would give the last two the same ports in two sandboxes that start at the same time.
            client, peer, api, kwok, manager, scheduler = map(str, _free_ports(6))
            create += ["--etcd-port", client, "--kube-apiserver-port", api]
            create += ["--kube-controller-manager-port", manager, "--kube-scheduler-port", scheduler]
            arguments += [
                f"etcd=listen-client-urls=http://127.0.0.1:{client}",
                f"etcd=listen-peer-urls=http://127.0.0.1:{peer}",
                "kube-apiserver=bind-address=127.0.0.1",
                "kube-controller-manager=bind-address=127.0.0.1",
                "kube-scheduler=bind-address=127.0.0.1",
                f"kwok-controller=server-address=127.0.0.1:{kwok}",
            ]
        return create + [part for argument in arguments for part in ("--extra-args", argument)]

    def prepare(self) -> None:
        """Clear what a killed run left: half a cluster, or numbers of processes that are other processes' now."""
        if not self.exists:
            shutil.rmtree(self.folder / "kwok", ignore_errors=True)
        for stale in self.pid_files():
            stale.unlink()

    def pid_files(self) -> list[Path]:
        """Return kwokctl's own records of the components' process numbers."""
        return list((self.folder / "kwok" / "clusters" / _CLUSTER / "pids").glob("*.pid"))

    def dead(self) -> list[str]:
        """Return the components that were started and have ended: kwokctl would wait a minute for them."""
        numbers = {file.stem: file.read_text() for file in self.pid_files()}
        return sorted(name for name, number in numbers.items() if number and not record.started(int(number)))

    def finish(self) -> None:
        """Record that the cluster is whole."""
        self._mode.write_text(str(self.isolated))

    def discard(self) -> None:
        """Delete the cluster's files unless it was whole once: then they are somebody's data."""
        if not self.exists:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def audit_log(self) -> Path:
        """What the API server writes down, one JSON event a line."""
        return self.folder / "kwok" / "clusters" / _CLUSTER / "logs" / "audit.log"

    def complaint(self) -> str:
        """Return the last lines of each component's log, for a start that failed."""
        logs = sorted((self.folder / "kwok" / "clusters" / _CLUSTER / "logs").glob("*.log"))
        tails = [(log.stem, log.read_text(errors="replace").strip().splitlines()[-2:]) for log in logs]
        return "\n".join(f"{name}: {line[:300]}" for name, lines in tails for line in lines)

    @property
    def _mode(self) -> Path:
        return self.folder / "isolated"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
