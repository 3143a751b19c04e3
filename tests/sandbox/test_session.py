"""The programs that a stack needs."""

import json
from pathlib import Path

import pytest

from sandbox import session
from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.toolchain import DATA_PATH, places, provide
from sandbox.toolchain.catalog import GIVEN

COMMON = {"llm-d-inference-sim", "envoy"}
ISTIO = {"pilot-discovery", "pilot-agent", "istio-bootstrap", "istio-manifests"}
NEW, OLD = {"epp-v0.7.1", "pd-sidecar-v0.7.1"}, {"epp-v0.4.0", "pd-sidecar-v0.4.0"}


@pytest.mark.parametrize(
    ("serving", "wanted"),
    [
        ({}, COMMON | ISTIO | NEW),  # the program's default is release 0.6
        ({"release": "0.6"}, COMMON | ISTIO | NEW),
        ({"release": "0.4"}, COMMON | ISTIO | OLD),
        ({"release": 0.4}, COMMON | ISTIO | OLD),
        ({"release": "0.9"}, COMMON | ISTIO | {"epp-v0.10.0", "pd-sidecar-v0.10.0"}),
        ({"release": "0.10"}, COMMON | ISTIO | {"epp-v0.11.0", "pd-sidecar-v0.11.0"}),
        ({"release": "1.0"}, COMMON | ISTIO),  # the program explains it
        ({"gateway": {"provider": "data-science-gateway"}}, COMMON | ISTIO | NEW),
        ({"gateway": {"provider": "kgateway"}}, COMMON | NEW),
        (None, COMMON | ISTIO | NEW),
    ],
)
def test_a_stack_needs_the_programs_of_its_release(tmp_path: Path, serving: object, wanted: set[str]) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(json.dumps({"config": {"llm-d-pd:serving": serving}}))
    assert session.needed_tools(file, pods=True) == wanted
    assert session.needed_tools(file, pods=False) == wanted & ISTIO  # preflight needs the Gateway's class
    assert wanted <= {*DATA_PATH, *GIVEN}


def test_programs_of_newer_releases_come_from_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the names of 0.9, whatever they are: here the programs of 0.6, where they are built."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not {*places(DATA_PATH)} & {*GIVEN}
    with pytest.raises(SandboxError, match=r"release 0\.9 of llm-d by itself.*Put epp-v0\.10\.0 on PATH"):
        provide(["epp-v0.10.0"], Progress())
    for name in ("epp-v0.10.0", "pd-sidecar-v0.10.0"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    found = provide(["epp-v0.10.0", "pd-sidecar-v0.10.0"], Progress())
    assert found == {name: tmp_path / name for name in ("epp-v0.10.0", "pd-sidecar-v0.10.0")}
    assert found.items() <= places(DATA_PATH).items(), "a sandbox that runs knows them before a stack wants them"
