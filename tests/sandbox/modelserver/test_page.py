import ast

import pytest

from sandbox.home import CHECKOUT
from sandbox.modelserver import page
from tests.vllm import findings


def test_the_page_matches_the_substitutions() -> None:
    assert page.main(["--check"]) == 0


def test_the_page_matches_the_findings() -> None:
    assert findings.page(page.PAGE.read_text()) == page.PAGE.read_text()


@pytest.mark.parametrize("proof", sorted({proof for one in findings.FINDINGS for proof in one.proofs}))
def test_the_tests_named_by_findings_exist(proof: str) -> None:
    file, _, name = proof.partition("::")
    tree = ast.parse((CHECKOUT / "tests" / file).read_text())
    assert name in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
