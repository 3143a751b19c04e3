"""Gateway providers: the table of their files, the parts that read them, and the page that is generated from them."""

import ast
import re
from functools import cache
from pathlib import Path

from components import gateways
from components.config.vocabulary import Platform, Provider, ReleaseName
from components.gateways import available, honouring, on

ROOT = Path(__file__).resolve().parents[2]
SHARED = {"__init__", "args", "asking", "gateway_api", "live", "page", "provider", "settle_job", "trial_job"}
"""Files of components/gateways that are no provider's."""


def test_there_is_a_file_for_every_word_and_no_other() -> None:
    folder = Path(str(gateways.__file__)).parent
    files = {each.stem for each in folder.iterdir() if each.suffix == ".py" or (each / "__init__.py").exists()}
    assert files - SHARED == {word.replace("-", "_") for word in Provider}


def test_the_setting_is_read_by_the_table_alone() -> None:
    """Every other part asks the provider object, so that a new provider changes nothing else."""
    read = {(file, of) for file, of, attribute in _attributes() if attribute == "provider"}
    assert {file for file, of in read if re.search(r"\bgateway$|^args$", of)} == {"gateways/__init__.py"}


def test_no_part_asks_which_provider_it_is() -> None:
    """A word of the vocabulary stands in the table, in its provider's file, and where a setting has its default."""
    naming = {file for file, of, _ in _attributes() if of == "Provider"}
    assert {each for each in naming if not each.startswith("gateways/")} == {"config/gateway.py"}


@cache
def _attributes() -> list[tuple[str, str, str]]:
    """Every `of.attribute` in components/, with its file."""
    return [
        (str(file.relative_to(ROOT / "components")), ast.unparse(node.value), node.attr)
        for file in (ROOT / "components").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    ]


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
    assert "data-science-gateway" in on(Platform.OPENSHIFT, ReleaseName.V0_6)
    assert not {"gke", "data-science-gateway"} & {*on(Platform.AKS, ReleaseName.V0_6)}
    assert {"istio", "standalone"} <= {*on(Platform.AKS, ReleaseName.V0_6)}
    assert "data-science-gateway" not in {each.word for each in available(ReleaseName.V0_4)}
