"""Features of the official plugin that the stand-in refuses with a reason."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import environment
from sandbox.engine.kubernetes import reporting
from tests.sandbox.engine.harness import Stack, deployment, on_cluster, provider
from tests.sandbox.running import Running


@pytest.fixture
def stand_in(tmp_path: Path, cluster: Running, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack that uses the stand-ins even if the official executables are on the machine."""
    monkeypatch.setattr(
        environment, "find_official", lambda *_: environment.Official(None, None, "this test wants the stand-ins")
    )
    stack = on_cluster(tmp_path, cluster)
    stack.engine.env["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true"
    return stack


def test_a_misspelt_field_is_refused(stand_in: Stack, namespace: str) -> None:
    stand_in.declare(p=provider(), misspelt=deployment("misspelt", namespace, replicaz=2))
    assert 'strict decoding error: unknown field "spec.replicaz"' in stand_in.preview().failed().output


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, "the sandbox makes no names"),
        ({"name": "x", "annotations": {"pulumi.com/skipAwiat": "true"}}, "the sandbox knows only"),
        (
            {"name": "x", "annotations": {"pulumi.com/waitFor": "Programmed"}},
            "'Programmed' is neither condition=Type[=Status] nor jsonpath={.path}[=value]",
        ),
    ],
)
def test_features_of_the_official_plugin_alone_are_refused(metadata: dict[str, Any], expected: str) -> None:
    refused = reporting.of_object({"kind": "ConfigMap", "metadata": {"namespace": "n", **metadata}})
    assert [expected in reason for _, reason in refused] == [True]


def test_provider_settings_of_the_official_plugin_alone_are_refused(stand_in: Stack) -> None:
    stand_in.declare(p=provider(renderYamlToDirectory="out", enableSecretMutable=False))
    output = stand_in.preview().failed().output
    assert "renderYamlToDirectory" in output and "enableSecretMutable" in output
