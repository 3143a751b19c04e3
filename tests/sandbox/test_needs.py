import json
from pathlib import Path

import pytest

from sandbox import session
from sandbox.toolchain import DATA_PATH

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
    assert wanted <= set(DATA_PATH)
