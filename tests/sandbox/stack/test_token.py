"""The model hub's token stays inside its Secret, in every command and up to the CLI's -v=8."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from kubernetes.client import V1Namespace, V1ObjectMeta, V1Secret

from tests.sandbox.running import Running
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

FIRST, ROTATED, FOREIGN = "hf_TheFirstVerySecretOne", "hf_TheRotatedVerySecretOne", "hf_AnotherOwnersVerySecretOne"
ITS_PLACES = ("etcd", "volumes")
"""Folders of a cluster that contain Secrets: its database, and the volumes of its pods."""


def test_a_token_in_the_config_appears_only_in_its_secret(cluster: Running, tmp_path: Path) -> None:
    with destroyed_afterwards(deployment(cluster, "amd")) as amd:
        seen, events = "", (tmp_path / "first", tmp_path / "rotated")
        for token, log in zip((FIRST, ROTATED), events, strict=True):
            amd.pulumi("config", "set", "--secret", "hfToken", token)
            seen += _said(amd, "preview", "--diff", level=8)
            seen += _said(_debugged(amd), "up", "--yes", "--skip-preview", "--diff", f"--event-log={log}", level=8)
        assert _stored(amd, "llm-d-pd", "llm-d-hf-token") == ROTATED
        for words in (("refresh", "--yes"), ("stack", "export"), ("stack", "output"), ("config",)):
            seen += _said(amd, *words, level=8)
        done = amd.verify()
        assert _leaks(amd, seen + done.stdout + done.stderr, tmp_path) == []
        assert all("llm-d-hf-token" in log.read_text() for log in events)
        assert _leaks(amd, _said(amd, "destroy", "--yes", "--skip-preview", level=8), tmp_path) == []


def test_a_token_in_an_existing_secret_appears_at_no_log_level(cluster: Running, tmp_path: Path) -> None:
    amd = deployment(cluster, "amd")
    with _existing_secret(amd), destroyed_afterwards(amd):
        amd.pulumi("config", "rm", "hfToken")
        amd.configure(namespace="existing", createNamespace=False, model__tokenSecret="someones")
        seen = _said(amd, "up", "--yes", "--skip-preview", "--diff", level=11)
        assert _stored(amd, "existing", "someones") == FOREIGN
        assert _leaks(amd, seen, tmp_path) == []


def _debugged(stack: Deployment) -> Deployment:
    """Return the stack with the CLI's debug commands."""
    engine = stack.engine
    return replace(stack, engine=replace(engine, env={**engine.env, "PULUMI_DEBUG_COMMANDS": "true"}))


def _said(stack: Deployment, *words: str, level: int) -> str:
    done = stack.pulumi(*words, f"-v={level}", "--logtostderr", "--color=never")
    assert len(done.stderr.splitlines()) > 3, "the CLI's own log"
    return done.stdout + done.stderr


def _stored(stack: Deployment, namespace: str, name: str) -> str:
    return base64.b64decode(stack.api.read_namespaced_secret(name, namespace).data["HF_TOKEN"]).decode()


@contextmanager
def _existing_secret(stack: Deployment) -> Iterator[None]:
    stack.api.create_namespace(V1Namespace(metadata=V1ObjectMeta(name="existing")))
    secret = V1Secret(metadata=V1ObjectMeta(name="someones"), string_data={"HF_TOKEN": FOREIGN})
    stack.api.create_namespaced_secret("existing", secret)
    try:
        yield
    finally:
        stack.api.delete_namespace("existing")


def _leaks(stack: Deployment, said: str, also: Path) -> list[str]:
    """Return places with a token: "screen", or files of the sandbox or of the folder `also`."""
    words = [spelled for token in (FIRST, ROTATED, FOREIGN) for spelled in (token, _encoded(token))]
    files = [
        file
        for folder in (stack.cluster.home.root, also)
        for file in folder.rglob("*")
        if file.is_file() and not file.is_symlink() and not set(ITS_PLACES) & set(file.parts)
    ]
    assert {"keeper.log", "Pulumi.amd.yaml"} <= {file.name for file in files}
    texts = {"screen": said} | {str(file): file.read_text(errors="replace") for file in files}
    return [where for where, text in texts.items() if any(word in text for word in words)]


def _encoded(token: str) -> str:
    return base64.b64encode(token.encode()).decode()
