"""The choice of a proxy, as golang.org/x/net's httpproxy and client-go make it."""

import pytest

from access.errors import NoAccess
from access.proxies import Proxy, direct, proxy_of

SERVER = "https://api.example.com:6443"


@pytest.mark.parametrize(
    ("no_proxy", "server", "expected"),
    [
        ("", SERVER, False),
        ("*", SERVER, True),
        ("example.com", SERVER, True),
        (" .EXAMPLE.com ,", SERVER, True),
        ("*.example.com", SERVER, True),
        ("ample.com", SERVER, False),
        ("api.example.com", SERVER, True),
        (".api.example.com", SERVER, False),
        ("example.com:6443", SERVER, True),
        ("example.com:443", SERVER, False),
        ("10.0.0.0/8", SERVER, False),
        ("10.0.0.0/8", "https://10.1.2.3:6443", True),
        ("10.0.0.1/8", "https://10.1.2.3:6443", True),
        ("10.0.0.0/99,1.2.3.4", "https://10.1.2.3:6443", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:443", "https://10.1.2.3", True),
        ("2.3", "https://10.1.2.3", False),
        ("2001:db8::/32", "https://[2001:db8::1]:6443", True),
        ("2001:db8::1", "https://[2001:db8::1]:6443", True),
        ("[2001:db8::1]:6443", "https://[2001:db8::1]:6443", True),
        ("[2001:db8::1]:443", "https://[2001:db8::1]:6443", False),
        ("", "https://localhost:6443", True),
        ("", "https://127.0.0.9:6443", True),
        ("", "https://[::1]:6443", True),
    ],
)
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
