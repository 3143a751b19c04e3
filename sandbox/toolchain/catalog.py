"""The tools: their pinned Go modules, and their official release archives by machine.

The versions are in each folder's go.mod, and those of the archives are the same.

The tools of one `make up` share the compiler's work where they have the same version of a module. So their common
dependencies are in the newest version that one of them requires, newer than in the others' own go.mod upstream:

- etcd, pulumi, inference-scheduler-0.7, simulator, istio: `go work init` with these folders, then `go work sync`;
  etcd's own modules then go back to etcd's version by `go get`.
- kubernetes: `go get` of those versions, but for the modules k8s.io/*, which belong to its own version.
- inference-scheduler-0.7 keeps sigs.k8s.io/gateway-api-inference-extension of its release, which is most of the EPP.

Digests of archives are those that public files state. A tool without an entry is built: no public file states the
digest of its archive, or it has none. That is so for Prometheus 3.13.5 and for Pulumi's Kubernetes plugin 4.32.0.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from sandbox.errors import SandboxError


@dataclass(frozen=True)
class Archive:
    """A tar archive. `members` are patterns of the files that are kept, by their last name."""

    url: str
    digest: str
    """Of the archive: the algorithm's name in `hashlib`, a colon, hexadecimal digits."""
    members: tuple[str, ...]

    @property
    def host(self) -> str:
        """Host of `url`."""
        return urlsplit(self.url).netloc


def _archives(url: str, members: tuple[str, ...], digests: Mapping[tuple[str, str], str]) -> Mapping[str, Archive]:
    """Return one archive per machine; {} in `url` and `members` is the second name of a key of `digests`."""
    return {
        machine: Archive(url.format(name), digest, tuple(member.format(name) for member in members))
        for (machine, name), digest in digests.items()
    }


# kubernetes-sigs/kubespray, commit 46dbdd3994b3, roles/kubespray_defaults/vars/main/checksums.yml
ETCD = _archives(
    "https://github.com/etcd-io/etcd/releases/download/v3.6.5/etcd-v3.6.5-linux-{}.tar.gz",
    ("etcd-v3.6.5-linux-{}/etcd",),
    {
        ("x86_64", "amd64"): "sha256:66bad39ed920f6fc15fd74adcb8bfd38ba9a6412f8c7852d09eb11670e88cac3",
        ("aarch64", "arm64"): "sha256:7010161787077b07de29b15b76825ceacbbcedcb77fe2e6832f509be102cab6b",
    },
)

# kubernetes/kubernetes, commit 008b3652959c, CHANGELOG/CHANGELOG-1.34.md, "Server Binaries" of v1.34.1
KUBERNETES = _archives(
    "https://dl.k8s.io/v1.34.1/kubernetes-server-linux-{}.tar.gz",
    tuple(f"kubernetes/server/bin/{name}" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")),
    {
        ("x86_64", "amd64"): (
            "sha512:8fd1e779f4d0188592644e234a6e5b728b9000a2afeb9d8da25131a5a4e54718"
            "bb46c4d521c62e26ea971e32745529fbb001c4f011ef2c54091cb5e81b4b90f2"
        ),
        ("aarch64", "arm64"): (
            "sha512:77f68803b34f710c9623f388452494075ca9bb38567e7878176ec12a6d2971d2"
            "feba381e99462dc8c6e83ff5064dcffcaa7df736b67208880f5e90d71a831c2c"
        ),
    },
)

# pulumi/homebrew-tap, commit 51fb494f9549, Formula/pulumi.rb. The language host, two files, belongs to the CLI.
PULUMI = _archives(
    "https://github.com/pulumi/pulumi/releases/download/v3.259.0/pulumi-v3.259.0-linux-{}.tar.gz",
    ("pulumi/pulumi", "pulumi/pulumi-language-python*"),
    {
        ("x86_64", "x64"): "sha256:94ba357acac23d01474084c4b00098dc0f7bc70ce13f34c777459254a5f718e5",
        ("aarch64", "arm64"): "sha256:edc8327463a72160bb36cf82cf5062da9c8a244290a706d9980988e7bf486853",
    },
)


_FOLDERS = Path(__file__).resolve().parent
Version = tuple[int, int, int]


_INLINED = (
    "std",
    "golang.org/x/...",
    "google.golang.org/grpc/...",
    "google.golang.org/protobuf/...",
    "github.com/gogo/protobuf/...",
    "github.com/prometheus/...",
    "github.com/valyala/...",
    "github.com/llm-d/...",
    "sigs.k8s.io/gateway-api-inference-extension/...",
    "k8s.io/apimachinery/...",
    "go.etcd.io/...",
    "llm-d-pd/...",
)
"""Packages of the request path, in which the compiler inlines functions. For generated types and clients, which are
most of the code, inlining is a third of the compiler's time, and no run shows a difference."""

_TAGS = ("disable_pgv",)
"""Without the validation code of Envoy's messages, as in istio's own releases (its Makefile.core.mk): of all tools, so
that they share the rest of go-control-plane."""


@dataclass(frozen=True)
class Executables:
    """Executables of one Go module.

    `minutes` were measured cold, downloads included, on two cores with other work. `gigabytes` are an upper estimate
    of the build's part of the folder of downloads and build cache. An executable on PATH is used if its printed
    version is in `fits` (from, below); None = never.
    """

    folder: Path
    packages: Mapping[str, str]
    minutes: float
    fits: tuple[Version, Version] | None
    asks: tuple[str, ...] = ("--version",)
    variables: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    gigabytes: float = 1
    copied: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Files of modules: name → module path, file in it."""
    printed: Mapping[str, str] = field(default_factory=dict)
    """Files with the output of a package that is run once: name → package."""
    archives: Mapping[str, Archive] = field(default_factory=dict)
    """Official archives with all results, by machine. They are no input of a build."""

    @property
    def names(self) -> frozenset[str]:
        """Names of all results."""
        return frozenset((*self.packages, *self.copied, *self.printed))

    @property
    def flags(self) -> list[str]:
        """`go build` flags: no paths of this machine, no debug tables, the version where its releases put it.

        Debug tables would be a quarter of the build cache and a tenth of the compiler's time.
        """
        stamps = "".join(f" -X {name}={value}" for name, value in self.variables.items())
        inlined = [f"-gcflags={packages}=-dwarf=false" for packages in _INLINED]
        tags = ",".join((*_TAGS, *self.tags))
        return [
            *("-trimpath", "-buildvcs=false", f"-tags={tags}", "-gcflags=all=-dwarf=false -l", *inlined),
            *("-ldflags", f"-s -w{stamps}"),
        ]

    @property
    def recipe(self) -> str:
        """All inputs of the result besides go.mod and go.sum."""
        further = [sorted(each.items()) for each in (self.copied, self.printed) if each]
        return " ".join(map(str, (sorted(self.packages.items()), self.flags, *further)))


@dataclass(frozen=True)
class Definitions:
    """CustomResourceDefinitions in Go modules: module path → (files, wanted names or all)."""

    folder: Path
    files: Mapping[str, tuple[str, frozenset[str] | None]]
    minutes: float
    gigabytes: float = 0.1
    archives: ClassVar[Mapping[str, Archive]] = {}
    names: ClassVar[frozenset[str]] = frozenset()

    @property
    def recipe(self) -> str:
        """All inputs of the result besides go.mod and go.sum."""
        return repr(sorted((module, files, sorted(names or ())) for module, (files, names) in self.files.items()))


@dataclass(frozen=True)
class Packaged:
    """An executable in a Python package of the virtual environment."""

    package: str
    inside: str

    @property
    def path(self) -> Path:
        """Path of the executable. Raises `SandboxError` when the package is not installed."""
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            raise SandboxError(
                f"the Python package {self.package!r} is missing: `make` installs requirements-sandbox.txt"
            )
        return Path(spec.origin).parent / self.inside


Source = Executables | Definitions
"""A source of files in the cache."""


def _scheduler(release: str, version: str) -> Executables:
    """Endpoint picker (our own main without cgo) and routing sidecar of one release of llm-d-inference-scheduler."""
    return Executables(
        folder=_FOLDERS / f"inference-scheduler-{release}",
        packages={
            f"epp-{version}": ".",
            f"pd-sidecar-{version}": "github.com/llm-d/llm-d-inference-scheduler/cmd/pd-sidecar",
        },
        minutes=2.2,
        gigabytes=0.7,
        fits=None,
    )


_COMPONENT_VERSION = "k8s.io/component-base/version"

SOURCES: dict[str, Source] = {
    "etcd": Executables(
        folder=_FOLDERS / "etcd",
        packages={"etcd": "go.etcd.io/etcd/server/v3"},
        minutes=2,
        gigabytes=0.5,
        fits=((3, 5, 21), (3, 7, 0)),  # what Kubernetes 1.34 supports
        archives=ETCD,
    ),
    "kubernetes": Executables(
        folder=_FOLDERS / "kubernetes",
        packages={
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        },
        minutes=6.6,
        gigabytes=2.5,
        fits=((1, 34, 0), (1, 35, 0)),
        variables={
            f"{_COMPONENT_VERSION}.gitVersion": "v1.34.1",
            f"{_COMPONENT_VERSION}.gitMajor": "1",
            f"{_COMPONENT_VERSION}.gitMinor": "34",
        },
        archives=KUBERNETES,
    ),
    "pulumi": Executables(
        folder=_FOLDERS / "pulumi",
        packages={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
        minutes=3.8,
        gigabytes=2,
        fits=((3, 259, 0), (4, 0, 0)),
        asks=("version",),
        variables={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": "v3.259.0"},
        archives=PULUMI,
    ),
    "kwok": Executables(
        folder=_FOLDERS / "kwok",
        packages={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        minutes=1.5,
        gigabytes=1.5,
        fits=((0, 7, 0), (0, 8, 0)),
        variables={"sigs.k8s.io/kwok/pkg/consts.Version": "v0.7.0"},
    ),
    "inference-scheduler-0.7": _scheduler("0.7", "v0.7.1"),
    "inference-scheduler-0.4": _scheduler("0.4", "v0.4.0"),
    "simulator": Executables(
        folder=_FOLDERS / "simulator",
        packages={"llm-d-inference-sim": "."},
        minutes=0.8,
        gigabytes=0.8,
        fits=None,
    ),
    "istio": Executables(
        folder=_FOLDERS / "istio",
        packages={name: f"istio.io/istio/pilot/cmd/{name}" for name in ("pilot-discovery", "pilot-agent")},
        copied={"istio-bootstrap": ("istio.io/istio", "tools/packaging/common/envoy_bootstrap.json")},
        printed={"istio-manifests": "."},
        minutes=4,
        gigabytes=2.5,
        fits=None,
        variables={"istio.io/istio/pkg/version.buildVersion": "1.31-alpha.eed52ebb66ad"},
    ),
    "prometheus": Executables(
        folder=_FOLDERS / "prometheus",
        packages={name: f"github.com/prometheus/prometheus/cmd/{name}" for name in ("promtool", "prometheus")},
        minutes=3,
        gigabytes=1.5,
        fits=((3, 5, 0), (4, 0, 0)),
        variables={"github.com/prometheus/common/version.Version": "3.13.5"},
        # Discovery in Kubernetes is all that is asked of it; the other kinds are half of its code.
        tags=("remove_all_sd", "enable_kubernetes_sd"),
    ),
    "actionlint": Executables(
        folder=_FOLDERS / "actionlint",
        packages={"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"},
        minutes=0.3,
        gigabytes=0.3,
        fits=((1, 7, 7), (2, 0, 0)),
    ),
    "crds": Definitions(
        folder=_FOLDERS / "crds",
        files={
            "sigs.k8s.io/gateway-api": ("config/crd/standard/*.yaml", None),
            "sigs.k8s.io/gateway-api-inference-extension": ("config/crd/bases/*.yaml", None),
            "istio.io/api": (
                "kubernetes/customresourcedefinitions.gen.yaml",
                frozenset({"destinationrules.networking.istio.io", "telemetries.telemetry.istio.io"}),
            ),
            "github.com/prometheus-operator/prometheus-operator": (
                "example/prometheus-operator-crd/*.yaml",
                frozenset(
                    f"{kind}.monitoring.coreos.com" for kind in ("podmonitors", "servicemonitors", "prometheusrules")
                ),
            ),
        },
        minutes=0.3,
    ),
}

GIVEN = {
    "epp-v0.10.0": "0.9",
    "pd-sidecar-v0.10.0": "0.9",
    "epp-v0.11.0": "0.10",
    "pd-sidecar-v0.11.0": "0.10",
}
"""Programs of newer releases of llm-d, by the release: no Go module offers them, so they come from PATH only."""


def given(name: str) -> Path:
    """Path of such a program. Raises `SandboxError` when it is not on PATH."""
    found = shutil.which(name)
    if found is None:
        raise SandboxError(
            f"the sandbox cannot run release {GIVEN[name]} of llm-d by itself: its endpoint picker and its routing "
            f"sidecar are no Go modules that can be had. Put {name} on PATH (CONTRIBUTING.md), or use release 0.6"
        )
    return Path(found)


PACKAGED = {"envoy": Packaged("envoy", "_bin/envoy")}


_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")


def on_path(name: str, source: Executables) -> Path | None:
    """Return the executable `name` on PATH if it runs and prints a version that fits `source`."""
    found = shutil.which(name)
    if not found or not source.fits:
        return None
    quiet = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run([found, *source.asks], env=quiet, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout + done.stderr)
    if done.returncode or not match:
        return None
    first, below = source.fits
    major, minor, patch = (int(part) for part in match.groups())
    return Path(found) if first <= (major, minor, patch) < below else None
