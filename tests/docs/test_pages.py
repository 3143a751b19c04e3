"""Links in the pages have a target, stack files in them deploy, and output in them is what the program prints."""

import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import jsonschema
import pulumi
import pytest
import yaml

from components.accelerators import page as accelerators
from components.config import schema
from components.config.schema import stack_schema
from components.gateways import page as gateways
from components.infrastructures import page as infrastructures
from components.plan import combinations
from tests.docs.pages import PAGES, ROOT, Block, blocks, prose
from tests.docs.stack_text import problems_in
from tests.recorder import run_program
from tests.sizing import page as sizing

LINK = re.compile(r"\]\(([^)\s]+)\)")
REFUSED = "Pulumi.amd.yaml cannot be deployed"
TOKEN = {"secure": "AAAB"}

WRITTEN = blocks("yaml", "json", "text")
STACK_FILES = [block for block in WRITTEN if block.text.startswith("config:")]
REFUSALS = [(before, after) for before, after in pairwise(WRITTEN) if after.text.startswith(REFUSED)]


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), link


@pytest.mark.parametrize("block", [each for each in STACK_FILES if each not in dict(REFUSALS)], ids=str)
def test_a_stack_file_in_a_page_deploys(block: Block) -> None:
    document = yaml.safe_load(block.text)
    jsonschema.validate(document, stack_schema(), jsonschema.Draft202012Validator)
    document["config"].setdefault("llm-d-pd:hfToken", TOKEN)
    assert [problem.text() for problem in problems_in(yaml.safe_dump(document))] == []


@pytest.mark.parametrize(("block", "output"), REFUSALS, ids=str)
def test_a_refusal_in_a_page_is_the_program_s_own(block: Block, output: Block) -> None:
    serving = yaml.safe_load(block.text)["config"]["llm-d-pd:serving"]
    with pytest.raises(pulumi.RunError) as caught:
        run_program(serving, token=None, secrets=(), stack="amd")
    assert output.text.strip() == str(caught.value).strip()


def test_the_readme_shows_the_amd_stack_file_and_a_refusal() -> None:
    shipped = yaml.safe_load((ROOT / "Pulumi.amd.yaml").read_text())
    assert shipped in [yaml.safe_load(block.text) for block in STACK_FILES if block.page.name == "README.md"]
    assert REFUSALS


GENERATED = [schema, accelerators, gateways, infrastructures, combinations, sizing]


@pytest.mark.parametrize("module", GENERATED, ids=lambda module: module.__name__)
def test_generated_pages_are_fresh(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["--check"]) == 0, capsys.readouterr().err
