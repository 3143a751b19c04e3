"""The files of gateway controllers: found by their words, told to people, served by the sandbox."""

import re
from itertools import product
from pathlib import Path

import pytest

from components import controllers, gateways
from components.config.vocabulary import Platform, Provider, ReleaseName
from components.controllers import Controller, controller, elsewhere, honouring
from components.gateways import GatewayProvider, objects_of
from sandbox.gateway.classes import CLASSES

ROOT = Path(__file__).resolve().parents[2]
EVERY = {each: controller(*each) for each in product(Provider, ReleaseName) if not controller(*each).missing}
WITH_A_CLASS = {each: one for each, one in EVERY.items() if one.class_name}
NOTHING = ("__init__", "profile", "provider", "standalone")
"""Of the files in both folders: those that are no provider's, and the Envoy that has no Gateway."""


def _files(package: str | None) -> set[str]:
    """Modules and packages beside an `__init__.py`."""
    folder = Path(str(package)).parent
    return {each.stem for each in folder.iterdir() if each.suffix == ".py" or (each / "__init__.py").exists()}


def _file(word: Provider) -> str:
    return word.replace("-", "_")


def test_there_is_a_file_for_every_word_and_no_other() -> None:
    assert _files(controllers.__file__) - {"__init__", "profile"} == {_file(word) for word in Provider}


def test_every_file_with_objects_is_some_controllers() -> None:
    named = {one.objects for one in EVERY.values() if one.objects}
    assert _files(gateways.__file__) - {*NOTHING} == {_file(word) for word in named}
    for word in named:
        assert type(objects_of(word)) is not GatewayProvider


def test_one_that_needs_no_objects_has_no_file() -> None:
    assert type(objects_of(None)) is GatewayProvider
    assert objects_of(controller(Provider.AGENTGATEWAY, ReleaseName.V0_4).objects) is objects_of(None)


def test_of_a_release_those_that_it_has_and_that_can_are_named() -> None:
    for setting, able in {
        "exposure": ["gke"],
        "replicas": ["standalone"],
        "access_logging": ["istio", "standalone"],
        "cpu": ["istio", "kgateway", "standalone"],
    }.items():
        found = honouring(setting, ReleaseName.V0_4)
        assert [word for word in found if word in able] == able
        assert not {"agentgateway", "data-science-gateway", "gke"} & {*found} - {*able}
    assert "data-science-gateway" in honouring("cpu", ReleaseName.V0_6)
    assert "data-science-gateway" in elsewhere(Platform.OPENSHIFT, ReleaseName.V0_6)
    assert not {"gke", "data-science-gateway"} & {*elsewhere(Platform.AKS, ReleaseName.V0_6)}
    assert {"istio", "standalone"} <= {*elsewhere(Platform.AKS, ReleaseName.V0_6)}


@pytest.mark.parametrize(("provider", "release"), WITH_A_CLASS)
def test_the_sandbox_serves_its_class_as_it_does(provider: Provider, release: ReleaseName) -> None:
    theirs = WITH_A_CLASS[provider, release]
    for name in {theirs.class_name, theirs.internal_class} - {None}:
        served = CLASSES[str(name)]
        assert served.suffix == (theirs.service_suffix or "")
        kind = theirs.parameters and (theirs.parameters.api_version.rpartition("/")[0], theirs.parameters.kind)
        assert served.parameters == kind


@pytest.mark.parametrize(("provider", "release"), WITH_A_CLASS)
def test_the_page_tells_class_and_service(provider: Provider, release: ReleaseName) -> None:
    theirs = WITH_A_CLASS[provider, release]
    rows = re.findall(r"^\| `([^`]+)`(?:, release ([0-9.]+))? \| (.*?) \| (.*?) \|", PAGE, re.MULTILINE)
    [(_, _, classes, service)] = [row for row in rows if row[0] == provider and row[1] in ("", release)]
    assert {theirs.class_name, theirs.internal_class} - {None} <= {*re.findall("`([^`]+)`", classes)}
    assert service == _service(theirs)


PAGE = (ROOT / "docs/gateways.md").read_text()


def _service(theirs: Controller) -> str:
    if theirs.service_suffix is None:
        return "none"
    return f"Gateway's name and `{theirs.service_suffix}`" if theirs.service_suffix else "as the Gateway"
