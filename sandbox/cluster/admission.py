"""Settings of kube-apiserver's admission plugins. A change needs a restart of the control plane.

Standard library only: the keeper reads them.
"""

import json
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


def read(folder: Path) -> Admission:
    """Return the settings of the control plane in a folder; Kubernetes' defaults if none were written."""
    try:
        recorded = json.loads((folder / _RECORD).read_text())
    except FileNotFoundError:
        return Admission()
    return Admission(PodSecurity(recorded["pod_security"]), recorded["extended_resource_toleration"])
