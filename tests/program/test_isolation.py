"""`security.level: locked` allows the connections that serving needs, and no others, for each provider and release."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.vocabulary import ReleaseName
from components.gateways import available
from tests.program.policies_evaluated import End, passes
from tests.program.wire import AMD, made

CELLS = [(each.word.value, release.value) for release in ReleaseName for each in available(release)]
TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("connections.yaml").read_text())
PODS = {
    "picker": "gaie-pd-epp",
    "prefill": "ms-pd-llm-d-modelservice-prefill",
    "decode": "ms-pd-llm-d-modelservice-decode",
}


def _different(objects: dict[str, Any], rows: list[Any], provider: str = "istio") -> list[Any]:
    """Connections that come through otherwise than the rows say."""
    policies = [each for key, each in objects.items() if key.startswith("NetworkPolicy/")]
    ends = {name: End(*said) for name, said in TYPED["ends"].items()}
    ends["gateway"] = ends.get(f"gateway of {provider}", ends["gateway"])
    for number, (pod, name) in enumerate(PODS.items(), 1):
        labels = objects[f"Deployment/{name}"]["spec"]["template"]["metadata"]["labels"]
        ends[pod] = End(f"10.0.0.{number}", labels, "llm-d-pd")
    return [
        (source, target, protocol, found)
        for source, target, ports, through, *protocol in rows
        if (found := [port for port in ports if passes(policies, ends[source], ends[target], port, *protocol)])
        != through
    ]


@pytest.mark.parametrize(("provider", "release"), CELLS)
def test_what_serving_needs_comes_through_and_nothing_else(provider: str, release: str) -> None:
    security = {"level": "locked", **({"gatewayRanges": ["10.129.0.0/23"]} if provider == "gke" else {})}
    objects = made({**AMD, "release": release, "gateway": {"provider": provider}, "security": security}).objects
    ports = [22, 5600, 8000, 8200, 9002, 9003, 9090, 43210]
    closed = [[other, target, ports, []] for other in TYPED["others"] for target in PODS]
    assert _different(objects, TYPED["every"] + closed, provider) == []


@pytest.mark.parametrize("heading", TYPED["stacks"])
def test_connections_follow_the_settings(heading: str) -> None:
    case = TYPED["stacks"][heading]
    objects = made({**AMD, "security": {"level": "locked"}, **case["settings"]}).objects
    assert _different(objects, case["connections"]) == []
    if "policies" in case:
        policies = [key.partition("/")[2] for key in objects if key.startswith("NetworkPolicy/")]
        assert policies == case["policies"]


def test_no_policy_without_being_asked() -> None:
    assert not [key for key in made(AMD).objects if key.startswith("NetworkPolicy/")]
