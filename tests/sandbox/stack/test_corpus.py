"""The corpus of bad stack files on the real CLI: a failure, one report, and nothing made."""

import pytest
import yaml

from tests.corpus.stacks import BadStack, corpus
from tests.sandbox.running import Running
from tests.sandbox.stack.deployment import Deployment, deployment

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def amd(cluster: Running) -> Deployment:
    return deployment(cluster, "amd")


@pytest.mark.parametrize("bad", corpus(), ids=lambda bad: bad.name)
def test_up_fails_with_one_report_and_makes_nothing(amd: Deployment, bad: BadStack) -> None:
    file = amd.engine.cwd / "Pulumi.amd.yaml"
    whole = file.read_text()
    good = yaml.safe_load(whole)
    try:
        file.write_text(yaml.safe_dump({**good, "config": {**good["config"], **bad.config}}))
        done = amd.pulumi("up", "--yes", "--skip-preview", "--color=never", ok=False)
    finally:
        file.write_text(whole)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    if isinstance(bad.config["llm-d-pd:serving"], dict):
        assert said.count("  wrong: ") == 1, said
        assert bad.at in said
        assert bad.wrong in said
        assert bad.change in said
    else:  # Pulumi.yaml says what it is, and the CLI does not even ask the program
        assert said.strip().endswith("configuration key 'llm-d-pd:serving' must be of type 'object'")
    assert "Traceback" not in said
    assert "placeholder" not in said


def test_nothing_was_made(amd: Deployment) -> None:
    assert amd.objects() == set()
