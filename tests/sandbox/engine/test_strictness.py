"""Where the stand-in is stricter than the official plugin: what it can't do as well, it refuses, and says why."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import official
from sandbox.engine.kubernetes import checks
from sandbox.engine.kubernetes.api import Cluster
from sandbox.engine.kubernetes.settings import Settings
from tests.sandbox.engine.harness import Stack, deployment, obj, on_cluster, provider
from tests.sandbox.running import Running


@pytest.fixture
def stand_in(tmp_path: Path, cluster: Running, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack that uses the stand-ins even where the official executables are on the machine."""
    monkeypatch.setattr(official, "find", lambda *_: official.Official(None, None, "this test wants the stand-ins"))
    stack = on_cluster(tmp_path, cluster)
    stack.engine.env["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true"
    return stack


def test_a_misspelt_field_or_annotation_is_refused(stand_in: Stack, namespace: str) -> None:
    typo = {"annotations": {"pulumi.com/skipAwiat": "true", "pulumi.com/timeoutSeconds": "soon"}}
    annotated = obj("core/v1:ConfigMap", "annotated", namespace, metadata=typo)
    misspelt = deployment("misspelt", namespace, replicaz=2)
    stand_in.declare(p=provider(), misspelt=misspelt)
    assert 'strict decoding error: unknown field "spec.replicaz"' in stand_in.preview().failed().output
    output = stand_in.declare(p=provider(), annotated=annotated).preview().failed().output
    assert "skipAwiat" in output and "'soon' is not a number of seconds" in output


@pytest.mark.parametrize(
    ("token", "metadata", "told"),
    [
        ("core/v1:ConfigMapPatch", {"name": "x"}, "the sandbox manages whole objects"),
        ("helm.sh/v3:Release", {"name": "x"}, "needs the official plugin"),
        ("core/v1:ConfigMap", {"generateName": "x-"}, "not supported with server-side apply"),
        (
            "core/v1:ConfigMap",
            {"name": "x", "annotations": {"pulumi.com/waitFor": "Programmed"}},
            "'Programmed' is neither condition=Type[=Status] nor jsonpath={.path}[=value]",
        ),
    ],
)
def test_what_only_the_official_plugin_can_do_is_refused(token: str, metadata: dict[str, Any], told: str) -> None:
    declared = {"metadata": {"namespace": "n", **metadata}}
    urn = f"urn:pulumi:dev::tiny::kubernetes:{token}::thing"
    _, failures = checks.check(urn, {}, declared, seed=b"", cluster=Cluster(Settings()), namespace="")
    assert [told in reason for _, reason in failures] == [True]


def test_provider_settings_that_would_do_less_here_are_refused(stand_in: Stack) -> None:
    stand_in.declare(p=provider(renderYamlToDirectory="out", enableServerSideApply=False))
    output = stand_in.preview().failed().output
    assert "renderYamlToDirectory" in output and "enableServerSideApply" in output
