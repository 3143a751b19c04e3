"""Contract: a token is nowhere in clear: not in the state, on the screen, or in the logs up to -v=8."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.sandbox.engine.harness import Stack, deployment, obj, provider

Live = Callable[[str], dict[str, Any]]
TOKEN = "hf_VerySecretIndeed"
SECOND = "hf_AnotherVerySecretOne"


def spelled(token: str) -> set[str]:
    return {token, base64.b64encode(token.encode()).decode()}


def objects(namespace: str, token: str, *, port: int = 80) -> dict[str, Any]:
    env = [{"name": "HF_TOKEN", "value": {"secret": token}}]
    return {
        "p": provider(enableSecretMutable=True),
        "clear": obj("core/v1:Secret", "clear", namespace, stringData={"HF_TOKEN": token}),
        "encoded": obj("core/v1:Secret", "encoded", namespace, data={"t": base64.b64encode(token.encode()).decode()}),
        "workers": deployment("workers", namespace, container={"env": env, "ports": [{"containerPort": port}]}),
    }


def test_a_token_is_never_in_clear(stack: Stack, namespace: str, live: Live, tmp_path: Path) -> None:
    loud = ("-v=8", "--logtostderr")
    seen = stack.declare(**objects(namespace, TOKEN)).up(*loud).ok().output
    stack.declare(**objects(namespace, SECOND))
    seen += stack.preview("--diff", *loud).ok().output
    seen += stack.up("--diff", *loud).ok().output
    seen += stack.pulumi("refresh", "--yes", "--skip-preview", *loud).ok().output
    stack.declare(**objects(namespace, SECOND, port=99999999))
    refused = stack.up(*loud).failed().output
    assert "99999999" in refused
    seen += refused

    assert base64.b64decode(live("secrets/clear")["data"]["HF_TOKEN"]).decode() == SECOND
    texts = {"the output": seen} | {
        str(file): file.read_text(errors="replace")
        for file in (tmp_path / "home").rglob("*")
        if file.is_file() and not file.is_symlink()
    }
    leaks = [
        (where, word) for where, text in texts.items() for word in spelled(TOKEN) | spelled(SECOND) if word in text
    ]
    assert leaks == []
    assert len(texts) > 3, "the state and the CLI's own log files are among them"
