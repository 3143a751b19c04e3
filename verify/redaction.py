"""Removes secrets and addresses from texts that leave the cluster."""

import ipaddress
import re
from collections.abc import Callable, Iterable

REMOVED = "(removed)"

_WORD = r"(?:api[-_ ]?key|token|passwo?r?d|passphrase|secret|credentials?|authorization|private[-_ ]?key)"
_SECRETS = (
    re.compile(r"-----BEGIN [A-Z ]+-----(?s:.{0,8000}?)-----END [A-Z ]+-----"),
    re.compile(r"-----BEGIN [A-Z ]+-----(?:\s+[A-Za-z0-9+/=]{16,})*"),
    re.compile(r"(?<=://)[^\s/@]+:[^\s/@]+(?=@)"),
    re.compile(r"(?i)(?<=bearer )\s*[\w.~+/=-]+"),
    re.compile(r"\b(?:hf_|sk-|ghp_|gho_|glpat-|xox[abp]-|AKIA)[\w-]{10,}"),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    # A value after the word: `token=x`, `'api_key': ['x']`, `--api-key x`; never a number, such as `max_tokens=16`.
    re.compile(
        rf"(?i)(?<=[\W_]){_WORD}[\"']?(?:\s*[:=]\s*|\s+)[\[\"'(]*(?!\(?removed\))(?P<value>[^\s\"',;\])}}]{{6,}})"
    ),
    re.compile(rf"(?i)^{_WORD}[\"']?\s*[:=]\s*[\[\"'(]*(?!\(?removed\))(?P<value>[^\s\"',;\])}}]{{6,}})", re.M),
)
_V4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)")
_V6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%\w+)?(?![\w:])")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"(?<=://)[^\s/:@\"']+")
_NAMELESS = ("0.0.0.0", "127.0.0.1", "::", "::1")


def without_secrets(text: str) -> str:
    """Replace what looks like a key, a token or a password."""
    for pattern in _SECRETS:
        text = pattern.sub(_removed, text)
    return text


def _removed(match: re.Match[str]) -> str:
    value = match.groupdict().get("value")
    return REMOVED if value is None else match[0][: -len(value)] + REMOVED


class Redaction:
    """Replaces secrets, and gives each address and host the same short name everywhere, so that lines still relate."""

    def __init__(self, secrets: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        """`secrets`: values that are known; `hosts`: names of nodes and servers."""
        self._known = sorted({one for one in secrets if len(one) > 3}, key=len, reverse=True)
        self._names: dict[str, str] = {}
        for host in sorted({one for one in hosts if one}, key=len, reverse=True):
            self._name("host")(host)

    def __call__(self, text: str) -> str:
        """Return the text without secrets and addresses."""
        for secret in self._known:
            text = text.replace(secret, REMOVED)
        text = without_secrets(text)
        for host, name in list(self._names.items()):
            text = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", name, text)
        text = _MAIL.sub(REMOVED, text)
        text = _V4.sub(lambda match: self._address(match[0]), text)
        text = _V6.sub(lambda match: self._address(match[0]), text)
        return _URL.sub(lambda match: self._host(match[0]), text)

    def _host(self, host: str) -> str:
        known = "." not in host or host in (*self._names.values(), *_NAMELESS) or ".svc" in host
        return host if known else self._name("host")(host)

    def _address(self, text: str) -> str:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return text  # a time, or a version
        return text if str(address) in _NAMELESS else self._name("address")(str(address))

    def _name(self, kind: str) -> Callable[[str], str]:
        def named(value: str) -> str:
            count = sum(1 for name in self._names.values() if name.startswith(f"{kind}-"))
            return self._names.setdefault(value, f"{kind}-{count + 1}")

        return named
