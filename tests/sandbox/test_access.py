"""Ways to the sandbox's API server: logins of a kubeconfig, and real proxies. Preflight, verify and `up` agree on each.

With the official Kubernetes plugin on the machine, `up` shows what client-go does; else the stand-in runs.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from sandbox.cluster import lifecycle
from sandbox.cluster.api import connect
from sandbox.home import CHECKOUT
from tests.sandbox.project import declare, obj, project
from tests.sandbox.running import Running, soon, token_of
from tests.sandbox.stack.deployment import Deployment

pytestmark = pytest.mark.thorough

ADDRESS = "10.244.255.254"
"""Of the API server in the sandbox's network. HTTPS_PROXY has no effect on 127.0.0.1."""
NAME = "kubernetes.default.svc"
HTTP, HTTPS, SOCKS, LOCKED_HTTP, LOCKED_SOCKS, DEAD = range(28081, 28087)

INSIDE = """
mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount
cp {folder}/hosts /run/hosts && mount --bind /run/hosts /etc/hosts
[ -z "$POD" ] || cp {folder}/token {folder}/ca.crt /run/secrets/kubernetes.io/serviceaccount/
exec "$@"
"""
"""Runs a command where the API server has a name, and with POD as in a pod: with the token of a ServiceAccount."""

LOOK = """
import json
from access import kubeconfig
from preflight.answers import Question, Unreachable
from preflight.cluster import Cluster as Preflight
from verify.cluster import Cluster as Verify
from verify.finding import Unreachable as Refused, VerifyError

PATH = "/api/v1/namespaces/default/configmaps"

def preflight():
    try:
        answer = Preflight.connect(kubeconfig.read()).ask(Question(PATH))
    except Unreachable as error:
        return str(error)
    return "" if answer.ok else answer.why

def verify():
    try:
        Verify.connect(None).get(PATH)
    except (Refused, VerifyError) as error:
        return str(error)
    return ""

print(json.dumps([preflight(), verify()]))
"""


class Way(NamedTuple):
    user: Mapping[str, Any] = {}
    """Entry of the kubeconfig; empty: the administrator's certificate."""
    cluster: Mapping[str, Any] = {}
    """Fields of the kubeconfig's cluster."""
    env: Mapping[str, str] = {}
    refused: str = ""
    """Words of the reason why the server is not reached; empty: it is."""


def _exec(*arguments: str) -> dict[str, Any]:
    kind = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "provideClusterInfo": True}
    return {
        "exec": {**kind, "command": "./login", "args": list(arguments), "env": [{"name": "WORD", "value": "please"}]}
    }


def _through(url: str, refused: str = "") -> Way:
    return Way(cluster={"proxy-url": url}, refused=refused)


def _environment(url: str, no_proxy: str = "", host: str = ADDRESS, refused: str = "") -> Way:
    variables = {"HTTPS_PROXY": url, **({"NO_PROXY": no_proxy} if no_proxy else {})}
    return Way(cluster={"server": f"https://{host}:6443"}, env=variables, refused=refused)


_DEAD = f"http://127.0.0.1:{DEAD}"
_GONE = "Connection refused"
WAYS: dict[str, Way] = {
    "certificate": Way(),
    "certificate as data": Way({"certificate": "data"}),
    "token": Way({"token": "{token}"}),
    "token file, a relative path": Way({"tokenFile": "token"}),
    "token file goes before token": Way({"tokenFile": "token", "token": "expired"}),
    "exec program, a relative path, prints a token": Way(_exec("token")),
    "exec program prints a certificate": Way(_exec("certificate")),
    "exec program fails": Way(_exec("fail"), refused="/login failed: no ticket"),
    "expired token": Way({"token": "expired"}, refused="Unauthorized"),
    "impersonation": Way({"certificate": "data", "as": "guest"}, refused='User "guest" cannot list'),
    "auth-provider": Way({"auth-provider": {"name": "gcp"}}, refused="auth-provider is gone"),
    "in a pod": Way(env={"POD": "yes", "KUBERNETES_SERVICE_HOST": ADDRESS, "KUBERNETES_SERVICE_PORT": "6443"}),
    "name in the certificate": Way(cluster={"server": f"https://{NAME}:6443", "tls-server-name": "localhost"}),
    "proxy-url http": _through(f"http://127.0.0.1:{HTTP}"),
    "proxy-url https": _through(f"https://localhost:{HTTPS}"),
    "proxy-url socks5": _through(f"socks5://127.0.0.1:{SOCKS}"),
    "proxy-url http with credentials": _through(f"http://user:se%3Acret@127.0.0.1:{LOCKED_HTTP}"),
    "proxy-url http with wrong credentials": _through(f"http://user:no@127.0.0.1:{LOCKED_HTTP}", "407"),
    "proxy-url socks5 with credentials": _through(f"socks5://user:se%3Acret@127.0.0.1:{LOCKED_SOCKS}"),
    "proxy-url socks5 with wrong credentials": _through(f"socks5://user:no@127.0.0.1:{LOCKED_SOCKS}", "closed"),
    "proxy-url without a proxy": _through(_DEAD, _GONE),
    "proxy-url with another scheme": _through("ftp://127.0.0.1", "must be a URL with http, https or socks5"),
    "proxy-url goes before NO_PROXY": Way(cluster={"proxy-url": _DEAD}, env={"NO_PROXY": "*"}, refused=_GONE),
    "HTTPS_PROXY": _environment(f"http://127.0.0.1:{HTTP}"),
    "HTTPS_PROXY without a scheme": _environment(f"127.0.0.1:{HTTP}"),
    "HTTPS_PROXY is socks5": _environment(f"socks5://127.0.0.1:{SOCKS}"),
    "HTTPS_PROXY, a name": _environment(f"http://127.0.0.1:{HTTP}", host=NAME),
    "HTTPS_PROXY without a proxy": _environment(_DEAD, refused=_GONE),
    "HTTPS_PROXY, this machine": _environment(_DEAD, host="127.0.0.1"),
    "NO_PROXY, an address": _environment(_DEAD, f"1.2.3.4, {ADDRESS}"),
    "NO_PROXY, an address with its port": _environment(_DEAD, f"{ADDRESS}:6443"),
    "NO_PROXY, an address with another port": _environment(_DEAD, f"{ADDRESS}:443", refused=_GONE),
    "NO_PROXY, a range": _environment(_DEAD, "10.244.0.0/16"),
    "NO_PROXY, another range": _environment(_DEAD, "10.96.0.0/12", refused=_GONE),
    "NO_PROXY, a name": _environment(_DEAD, NAME, NAME),
    "NO_PROXY, a domain": _environment(_DEAD, "default.svc", NAME),
    "NO_PROXY, subdomains": _environment(_DEAD, ".svc", NAME),
    "NO_PROXY, the end of a name": _environment(_DEAD, "ault.svc", NAME, refused=_GONE),
    "NO_PROXY, everything": _environment(_DEAD, "*"),
}  # fmt: skip


@dataclass(frozen=True)
class Inside(Running):
    """The sandbox, where commands run by `INSIDE`."""

    folder: Path

    @property
    def enter(self) -> list[str]:
        return [*super().enter, "unshare", "--mount", "sh", "-c", INSIDE.format(folder=self.folder), "sh"]


@dataclass
class Stage:
    """The sandbox with its proxies, and a small stack; each `up` of it sends requests to the API server."""

    cluster: Inside
    stack: Deployment
    folder: Path
    token: str
    ups: int = field(default=0)

    def kubeconfig(self, way: Way) -> Path:
        """Return the sandbox's kubeconfig with another login and another way to the server."""
        document = yaml.safe_load(self.cluster.home.kubeconfig.read_text())
        [cluster], [user] = document["clusters"], document["users"]
        cluster["cluster"] |= way.cluster
        if way.user.get("certificate"):
            files = {key: Path(user["user"][key]) for key in ("client-certificate", "client-key")}
            encoded = {f"{key}-data": base64.b64encode(file.read_bytes()).decode() for key, file in files.items()}
            user["user"] = encoded | {key: value for key, value in way.user.items() if key != "certificate"}
        elif way.user:
            user["user"] = {k: self.token if v == "{token}" else v for k, v in way.user.items()}
        file = self.folder / "kubeconfig"
        file.write_text(yaml.safe_dump(document))
        return file if "POD" not in way.env else self.folder / "none"

    def look(self, env: Mapping[str, str]) -> tuple[str, str]:
        """Return what preflight and verify say of why they do not get there; empty: they do."""
        command = [*self.cluster.enter, sys.executable, "-c", LOOK]
        done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert not done.returncode, done.stderr
        preflight, verify = json.loads(done.stdout)
        return preflight, verify

    def up(self, env: Mapping[str, str]) -> bool:
        """Return whether `pulumi up` gets there."""
        self.ups += 1
        stack = replace(self.stack, engine=replace(self.stack.engine, env=dict(env)))
        thing = obj("core/v1:ConfigMap", f"thing-{self.ups}", "default", data={"k": "v"})
        declare(stack, settings={"clusterIdentifier": "one"}, thing=thing)
        return stack.pulumi("up", "--yes", "--skip-preview", ok=False).returncode == 0


@pytest.fixture(scope="module")
def stage(cluster: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    if not lifecycle.isolated(cluster.home):
        pytest.skip("without network namespaces the API server has one address, 127.0.0.1")
    folder = tmp_path_factory.mktemp("ways")
    inside = Inside(cluster.home, folder)
    stack = project(tmp_path_factory.mktemp("stacks"), inside)
    pki = cluster.home.kubeconfig.parent / "pki"
    with connect(cluster.host_kubeconfig) as api:
        token = token_of(api, "way")
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_bytes((pki / "ca.crt").read_bytes())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {NAME}\n")
    _program(folder / "login", token, pki)
    proxy = [*inside.enter, sys.executable, "-m", "pproxy", "-v", "--auth", "0"]
    certificate = ["--ssl", f"{pki / 'apiserver.crt'},{pki / 'apiserver.key'}"]
    listening = [f"http://127.0.0.1:{HTTP}", f"socks5://127.0.0.1:{SOCKS}", f"http+ssl://127.0.0.1:{HTTPS}"]
    listening += [f"http://127.0.0.1:{LOCKED_HTTP}#user:se:cret", f"socks5://127.0.0.1:{LOCKED_SOCKS}#user:se:cret"]
    with (folder / "proxies").open("w") as log:
        process = subprocess.Popen(
            [*proxy, *certificate, *(word for each in listening for word in ("-l", each))], stdout=log, stderr=log
        )
        try:
            assert soon(lambda: (folder / "proxies").read_text().count("Serving on") == len(listening), 30)
            yield Stage(inside, stack, folder, token)
        finally:
            process.terminate()
            process.wait(10)


@pytest.mark.parametrize("name", WAYS)
def test_preflight_verify_and_up_agree(stage: Stage, name: str) -> None:
    way = WAYS[name]
    env = {**stage.stack.engine.env, **way.env, "KUBECONFIG": str(stage.kubeconfig(way))}
    proxies = stage.folder / "proxies"
    before = len(proxies.read_text())
    said = stage.look(env)
    reached = stage.up(env)
    assert [way.refused in each for each in said] == [True, True], said
    assert [not each for each in said] == [not way.refused] * 2, said
    assert reached is not bool(way.refused)
    used = [line for line in proxies.read_text()[before:].splitlines() if " -> " in line]
    live = "proxy-url" in way.cluster or "HTTPS_PROXY" in way.env
    assert bool(used) == (live and not way.refused and str(DEAD) not in str(way)), used
    assert "se:cret" not in str(said)


def _program(file: Path, token: str, pki: Path) -> None:
    """Write a login program that wants its variable and the cluster's server, and gives what its argument says."""
    certificate, key = ((pki / f"admin.{end}").read_text() for end in ("crt", "key"))
    given = {"token": {"token": token}, "certificate": {"clientCertificateData": certificate, "clientKeyData": key}}
    file.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "assert os.environ['WORD'] == 'please' and info['spec']['cluster']['server'].startswith('https://')\n"
        f"given = {given!r}\n"
        "sys.argv[1] in given or sys.exit('no ticket')\n"
        "given = {'apiVersion': info['apiVersion'], 'kind': 'ExecCredential', 'status': given[sys.argv[1]]}\n"
        "print(json.dumps(given))\n"
    )
    file.chmod(0o755)
