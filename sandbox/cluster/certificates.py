"""The certificates, keys and kubeconfigs of a new control plane.

The identities and groups are those that `kubeadm init` makes (kubernetes/kubernetes v1.34.1,
cmd/kubeadm/app/phases/certs and cmd/kubeadm/app/phases/kubeconfig). Elliptic keys are quick to make.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CONTEXT = "sandbox"
"""The context's name in every kubeconfig."""
_YEARS = timedelta(days=3650)
_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")


def make(folder: Path, port: int, addresses: Iterable[str]) -> None:
    """Fill `folder`/pki, and write the administrator's kubeconfig `folder`/kubeconfig.

    Every kubeconfig leads to https://127.0.0.1:`port`; `addresses` are further IP addresses of the API server.
    """
    pki = folder / "pki"
    pki.mkdir(mode=0o700)
    cluster, front_proxy = _Authority.new(pki, "ca"), _Authority.new(pki, "front-proxy-ca")
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in (*_NAMES, "localhost")]
    names += [x509.IPAddress(ip_address(one)) for one in ("127.0.0.1", *addresses)]
    cluster.sign("apiserver", "kube-apiserver", x509.SubjectAlternativeName(names))
    front_proxy.sign("front-proxy-client", "front-proxy-client")
    cluster.sign("admin", "kubernetes-admin", group="system:masters")
    _kubeconfig(folder / "kubeconfig", pki, "admin", port)
    for part in ("kube-controller-manager", "kube-scheduler"):
        cluster.sign(part, f"system:{part}")
        _kubeconfig(pki / f"{part}.kubeconfig", pki, part, port)
    accounts = _key(pki / "sa.key").public_key()
    (pki / "sa.pub").write_bytes(accounts.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@dataclass(frozen=True)
class _Authority:
    pki: Path
    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls, pki: Path, file: str) -> "_Authority":
        key = _key(pki / f"{file}.key")
        authority = cls(pki, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file)]), key)
        signing = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        authority._write(file, authority.name, key, x509.BasicConstraints(ca=True, path_length=None), signing)
        return authority

    def sign(self, file: str, user: str, names: x509.SubjectAlternativeName | None = None, group: str = "") -> None:
        """Write a key and its certificate: a server's certificate with `names`, else a client's."""
        subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
        subject += [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH])
        key = _key(self.pki / f"{file}.key")
        self._write(file, x509.Name(subject), key, usage, *([names] if names else []))

    def _write(
        self, file: str, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType
    ) -> None:
        public, now = key.public_key(), datetime.now(UTC)
        serial, begin, end = x509.random_serial_number(), now - timedelta(hours=1), now + _YEARS
        builder = x509.CertificateBuilder(self.name, subject, public, serial, begin, end)
        for one in (
            x509.SubjectKeyIdentifier.from_public_key(public),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
            *extensions,
        ):
            critical = isinstance(one, x509.BasicConstraints | x509.KeyUsage)
            builder = builder.add_extension(one, critical)
        (self.pki / f"{file}.crt").write_bytes(builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM))


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def _kubeconfig(path: Path, pki: Path, user: str, port: int) -> None:
    path.touch(mode=0o600)
    path.write_text(
        f"""\
apiVersion: v1
kind: Config
current-context: {CONTEXT}
contexts:
- name: {CONTEXT}
  context: {{cluster: {CONTEXT}, user: {user}}}
clusters:
- name: {CONTEXT}
  cluster:
    server: https://127.0.0.1:{port}
    certificate-authority: {pki / "ca.crt"}
users:
- name: {user}
  user:
    client-certificate: {pki / f"{user}.crt"}
    client-key: {pki / f"{user}.key"}
"""
    )
