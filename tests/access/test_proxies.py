"""The choice of a proxy, as golang.org/x/net's httpproxy and client-go make it."""

from pathlib import Path

import pytest
import yaml

from access.errors import NoAccess
from access.proxies import Proxy, direct, proxy_of

SERVER = "https://api.example.com:6443"


DIRECT = yaml.safe_load(Path(__file__).with_name("direct.yaml").read_text())


@pytest.mark.parametrize(("no_proxy", "server", "expected"), DIRECT)
def test_servers_that_are_asked_directly(no_proxy: str, server: str, *, expected: bool) -> None:
    assert direct(server, no_proxy) is expected


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def test_the_environment_s_proxy_by_the_server_s_scheme(variables: pytest.MonkeyPatch) -> None:
    assert proxy_of({}, SERVER) is None
    variables.setenv("HTTPS_PROXY", "proxy:3128")
    variables.setenv("https_proxy", "http://other")
    variables.setenv("http_proxy", "socks5h://plain:1080")
    assert proxy_of({}, SERVER) == Proxy("http://proxy:3128")
    assert proxy_of({}, "http://api.example.com") == Proxy("socks5h://plain:1080")
    variables.setenv("no_proxy", "example.com")
    assert proxy_of({}, SERVER) is None


def test_proxy_url_goes_before_the_environment_and_has_credentials(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("HTTPS_PROXY", "http://proxy:3128")
    variables.setenv("NO_PROXY", "*")
    given = proxy_of({"proxy-url": "socks5://us%40er:p%3Ass@[::1]:1080"}, "https://127.0.0.1")
    assert given == Proxy("socks5h://[::1]:1080", "us@er", "p:ss")
    assert proxy_of({"proxy-url": "https://proxy"}, SERVER) == Proxy("https://proxy")


@pytest.mark.parametrize("url", ["ftp://secret@proxy", "proxy:3128", "http://", "http://proxy:secret"])
def test_other_proxies_are_refused_without_their_credentials(variables: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(NoAccess, match="must be a URL with http, https or socks5") as caught:
        proxy_of({"proxy-url": url}, SERVER)
    assert "secret" not in str(caught.value)
