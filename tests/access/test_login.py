"""Logins that need no cluster to be seen: what is sent, and what is said when there is none."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from access import kubeconfig, login
from access.errors import NoAccess
from access.login import log_in
from access.server import ApiServer
from tests.http_server import Handler, listening


def _exec(code: str) -> dict[str, Any]:
    return {"exec": {"command": sys.executable, "args": ["-c", code]}}


def test_headers_of_a_user(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the file\n")
    assert dict(log_in({}, {"token": "t"}).headers) == {"Authorization": "Bearer t"}
    both = {"token": "t", "tokenFile": str(tmp_path / "token")}
    assert dict(log_in({}, both).headers) == {"Authorization": "Bearer of the file"}
    assert dict(log_in({}, {"username": "u", "password": "p"}).headers) == {"Authorization": "Basic dTpw"}
    impersonated = log_in({}, {"as": "a", "as-uid": "1", "as-groups": ["g", "h"], "as-user-extra": {"k": ["v", "w"]}})
    assert list(impersonated.headers.iteritems()) == [
        ("Impersonate-User", "a"),
        ("Impersonate-Uid", "1"),
        ("Impersonate-Group", "g"),
        ("Impersonate-Group", "h"),
        ("Impersonate-Extra-k", "v"),
        ("Impersonate-Extra-k", "w"),
    ]


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (_exec("import sys; sys.exit('first line\\nno ticket')"), "failed: no ticket"),
        (_exec("print('secret')"), "printed no credential"),
        (_exec("import time; time.sleep(9)"), "took over 1 s"),
        ({"exec": {"command": "/nowhere/login"}}, "/nowhere/login cannot run: No such file or directory"),
        ({"tokenFile": "/nowhere/token"}, "tokenFile cannot be read"),
        ({"client-certificate-data": "c2VjcmV0"}, "certificates cannot be used"),
        ({"auth-provider": {"name": "gcp"}}, "needs an exec entry"),
    ],
)
def test_a_login_that_fails_says_why_and_no_secret(
    user: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "PROGRAM_SECONDS", 1)
    with pytest.raises(NoAccess, match=words) as caught:
        log_in({}, user)
    assert "secret" not in str(caught.value)


def test_a_login_that_has_expired_is_renewed_once(tmp_path: Path) -> None:
    tokens = []

    class Server(Handler):
        def do_GET(self) -> None:
            tokens.append(self.headers["Authorization"])
            self.answer(200 if tokens[-1] == "Bearer fresh" else 401)

    file = tmp_path / "token"
    file.write_text("stale")
    with listening(Server) as port:
        api = ApiServer({"server": f"http://127.0.0.1:{port}/below/"}, {"tokenFile": str(file)})
        file.write_text("fresh\n")
        assert api.request("GET", "/x").status == 200
        given = ApiServer({"server": api.url}, {"token": "stale"})
        assert given.request("GET", "/x").status == 401
    assert tokens == ["Bearer stale", "Bearer fresh", "Bearer stale"]
    assert api.url.endswith("/below")


def test_the_first_of_several_kubeconfigs_wins_and_places_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        user = {"tokenFile": "token", "exec": {"command": "./login"}}
        document = {"current-context": name, "users": [{"name": "u", "user": user}]}
        (tmp_path / name / "config").write_text(yaml.safe_dump(document))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(str(tmp_path / name / "config") for name in ("one", "two")))
    found = kubeconfig.read()
    assert found.current == "one"
    assert found.users["u"]["tokenFile"] == str(tmp_path / "one" / "token")
    assert found.users["u"]["exec"]["command"] == str(tmp_path / "one" / "login")


def test_a_pod_has_a_login_unless_a_kubeconfig_has_a_current_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubeconfig, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "2001:db8::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert kubeconfig.read().current is None
    (tmp_path / "token").write_text("t")
    inside = kubeconfig.read()
    assert (inside.current, inside.cluster("in-cluster")) == ("in-cluster", {"server": "https://[2001:db8::1]:443"})
    assert inside.user("in-cluster") == {"tokenFile": str(tmp_path / "token")}
    (tmp_path / "config").write_text("current-context: mine")
    assert kubeconfig.read().current == "mine"
