"""Official release archives for Linux, by machine, with digests that public files state. Data only.

A tool without an entry is built: no public file states the digest of its archive, or it has none. That is so for
Prometheus 3.13.5 and for Pulumi's Kubernetes plugin 4.32.0. Each version is the one that the tool's go.mod builds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


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
