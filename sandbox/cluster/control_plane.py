"""The parts of the control plane and their command lines.

The flags are those of kubeadm's static pods (kubernetes/kubernetes v1.34.1, cmd/kubeadm/app/phases/controlplane),
without leader election and without limits on the controllers' own requests.

The settings of admission plugins change only with a restart of the control plane. Standard library only: the keeper
reads them.
"""

import http.client
import json
import os
import shutil
import socket
import ssl
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

OWN_NAMESPACES = ("kube-system", "istio-system", "openshift-ingress")
"""Namespaces that the sandbox itself fills. Pod Security does not apply to their pods."""

_RECORD, _CONFIGURATION = "admission.json", "admission-configuration.json"


class PodSecurity(StrEnum):
    """A level of Pod Security (kubernetes/pod-security-admission)."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


@dataclass(frozen=True)
class Admission:
    """Pod Security level of namespaces without a label, and whether ExtendedResourceToleration runs."""

    pod_security: PodSecurity = PodSecurity.PRIVILEGED
    extended_resource_toleration: bool = False

    def __str__(self) -> str:
        plugin = "true" if self.extended_resource_toleration else "false"
        return f"podSecurity: {self.pod_security}, extendedResourceToleration: {plugin}"

    def write(self, folder: Path) -> None:
        """Write the settings into a control plane's folder, with the file that kube-apiserver reads."""
        (folder / _RECORD).write_text(json.dumps(asdict(self)))
        (folder / _CONFIGURATION).write_text(json.dumps(self._configuration()))

    def flags(self, folder: Path) -> list[str]:
        """Return the flags of kube-apiserver."""
        plugins = ["NodeRestriction", *(["ExtendedResourceToleration"] if self.extended_resource_toleration else [])]
        file = [f"--admission-control-config-file={folder / _CONFIGURATION}"] if self != Admission() else []
        return [f"--enable-admission-plugins={','.join(plugins)}", *file]

    def _configuration(self) -> dict[str, object]:
        modes = {mode: str(self.pod_security) for mode in ("enforce", "audit", "warn")}
        security = {
            "apiVersion": "pod-security.admission.config.k8s.io/v1",
            "kind": "PodSecurityConfiguration",
            "defaults": {**modes, **{f"{mode}-version": "latest" for mode in modes}},
            "exemptions": {"namespaces": OWN_NAMESPACES},
        }
        return {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [{"name": "PodSecurity", "configuration": security}],
        }


def read_admission(folder: Path) -> Admission:
    """Return the settings of the control plane in a folder; Kubernetes' defaults if none were written."""
    try:
        recorded = json.loads((folder / _RECORD).read_text())
    except FileNotFoundError:
        return Admission()
    return Admission(PodSecurity(recorded["pod_security"]), recorded["extended_resource_toleration"])


KUBERNETES = "v1.34.1"
PORT = 6443
"""Port of the API server inside the sandbox's network."""
BRIDGE = "sandbox0"
"""The network of a sandbox: one bridge with fixed addresses, and the networks of pods."""
ADDRESS = "10.244.255.254"
"""The API server's address for pods, fixed before its certificate is made."""

AUDIT = "SANDBOX_AUDIT"
"""Environment variable with the file of an audit policy; the API server of a new sandbox then writes an audit log."""

ADDRESSES = ("10.96.0.1", ADDRESS)
"""More addresses of the API server: its Service's (the first of the range), and the one that pods use."""

_PORTS = {"etcd": 2379, "peer": 2380, "api": PORT, "manager": 10257, "scheduler": 10259}
_STORE = {
    "etcd": """
        --name=sandbox --data-dir={folder}/etcd
        --listen-client-urls=http://127.0.0.1:{etcd} --advertise-client-urls=http://127.0.0.1:{etcd}
        --listen-peer-urls=http://127.0.0.1:{peer} --initial-advertise-peer-urls=http://127.0.0.1:{peer}
        --initial-cluster=sandbox=http://127.0.0.1:{peer}""",
    "kube-apiserver": """
        --advertise-address={address} --secure-port={api} --etcd-servers=http://127.0.0.1:{etcd}
        --tls-cert-file={pki}/apiserver.crt --tls-private-key-file={pki}/apiserver.key --client-ca-file={pki}/ca.crt
        --authorization-mode=Node,RBAC --allow-privileged=true
        --service-cluster-ip-range=10.96.0.0/12 --service-account-issuer=https://kubernetes.default.svc.cluster.local
        --service-account-key-file={pki}/sa.pub --service-account-signing-key-file={pki}/sa.key
        --requestheader-client-ca-file={pki}/front-proxy-ca.crt --requestheader-allowed-names=front-proxy-client
        --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group
        --requestheader-extra-headers-prefix=X-Remote-Extra-
        --proxy-client-cert-file={pki}/front-proxy-client.crt --proxy-client-key-file={pki}/front-proxy-client.key""",
}
# Nodes do not fail here. A busy machine reports them late, and pods would lose Ready.
_CONTROLLERS = {
    "kube-controller-manager": """
        --kubeconfig={pki}/kube-controller-manager.kubeconfig --bind-address=127.0.0.1 --secure-port={manager}
        --leader-elect=false --use-service-account-credentials=true --root-ca-file={pki}/ca.crt
        --service-account-private-key-file={pki}/sa.key
        --cluster-signing-cert-file={pki}/ca.crt --cluster-signing-key-file={pki}/ca.key
        --node-monitor-grace-period=1h --kube-api-qps=5000 --kube-api-burst=10000""",
    "kube-scheduler": """
        --kubeconfig={pki}/kube-scheduler.kubeconfig --bind-address=127.0.0.1 --secure-port={scheduler}
        --leader-elect=false --kube-api-qps=5000 --kube-api-burst=10000""",
}
# No leases: a restarted kwok ignores nodes until the leases of its last run end, 200 s later.
_SIMULATION = {
    "kwok": """
        --kubeconfig={folder}/kubeconfig --config={here}/kwok-simulated.yaml --manage-all-nodes=true
        --server-address=127.0.0.1:{kwok} --node-lease-duration-seconds=0""",
}


@dataclass(frozen=True)
class ControlPlane:
    """One control plane in `folder`. Without `isolated` it has no own network and listens on 127.0.0.1."""

    folder: Path
    tools: dict[str, str]
    isolated: bool

    @property
    def exists(self) -> bool:
        """Whether a start completed; the files of an incomplete start are deleted."""
        return self._mode.exists()

    def misfit(self) -> str | None:
        """Return why the existing control plane can't be started in this mode; None if it can."""
        if self.exists and self._mode.read_text() != str(self.isolated):
            made, start = ("without", "with") if self.isolated else ("with", "without")
            return f"was made {made} a private network and can't be started {start} one"
        return None

    def begin(self) -> None:
        """Write the fixed settings of a new control plane: its ports, and its audit policy if it has one."""
        self.discard()
        self.folder.mkdir(parents=True)
        ports = _PORTS if self.isolated else dict(zip((*_PORTS, "kwok"), _free_ports(len(_PORTS) + 1), strict=True))
        self._ports_file.write_text(json.dumps(ports))
        if policy := os.environ.get(AUDIT):
            shutil.copyfile(policy, self._audit_policy)

    def serves(self) -> bool:
        """Whether the API server is ready."""
        trusted = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=trusted, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    @property
    def port(self) -> int:
        """Port of the API server on 127.0.0.1 of the sandbox's network, or of the machine without one."""
        return self._ports["api"]

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the parts, without variables that redirect requests, such as a proxy."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        return {"GOGC": "200", **kept}  # half the garbage collections: the start takes less time

    def store(self) -> dict[str, list[str]]:
        """Return the commands of etcd and of the API server, which waits for etcd itself."""
        commands = {name: self._command(name, flags) for name, flags in _STORE.items()}
        commands["kube-apiserver"] += read_admission(self.folder).flags(self.folder)
        if not self.isolated:
            commands["kube-apiserver"].append("--bind-address=127.0.0.1")
        if self._audit_policy.exists():
            audit = [f"--audit-policy-file={self._audit_policy}", f"--audit-log-path={self.audit_log}"]
            commands["kube-apiserver"] += audit
        return commands

    def controllers(self) -> dict[str, list[str]]:
        """Return the commands of the API server's clients: controllers, scheduler and, if no pods run, kwok."""
        parts = _CONTROLLERS if self.isolated else _CONTROLLERS | _SIMULATION
        return {name: self._command(name, flags) for name, flags in parts.items()}

    def _command(self, name: str, flags: str) -> list[str]:
        values = {"folder": self.folder, "pki": self._pki, "here": Path(__file__).parent, "address": ADDRESS}
        return [self.tools[name], *(flag.format(**values, **self._ports) for flag in flags.split())]

    @property
    def logs(self) -> Path:
        """Folder with a log of each part."""
        return self.folder / "logs"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, one JSON event per line."""
        return self.logs / "audit.log"

    def finish(self) -> None:
        """Record that the start of the control plane completed."""
        self._mode.write_text(str(self.isolated))

    def discard(self) -> None:
        """Delete the files of the control plane, unless a start completed once: then they are the user's data."""
        if not self.exists:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _mode(self) -> Path:
        return self.folder / "isolated"

    @property
    def _audit_policy(self) -> Path:
        return self.folder / "audit-policy.yaml"

    @property
    def _ports(self) -> dict[str, int]:
        return dict(json.loads(self._ports_file.read_text()))

    @property
    def _ports_file(self) -> Path:
        return self.folder / "ports.json"

    @property
    def _pki(self) -> Path:
        return self.folder / "pki"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
