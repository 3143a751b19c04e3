"""Bad stack files on the real CLI, one for each way of a file to the program: one report, and no objects.

All other files of the corpus take one of these ways; tests/corpus runs the program with each.
"""

import pytest
import yaml

from tests.corpus.stacks import corpus
from tests.sandbox.running import Running
from tests.sandbox.stack.deployment import Deployment, deployment

pytestmark = pytest.mark.thorough

WAYS = {
    "keys-1-serving.prefil": "a key that no schema has",
    "keys-7-hfToken": "a plain value where a secret belongs",
    "keys-8-kubernetes:context": "a key of another namespace",
    "keys-10-serving": "a word where Pulumi.yaml wants an object",
    "topology-1-serving.decode.tensorParallel": "settings that contradict each other",
}


@pytest.fixture(scope="module")
def amd(cluster: Running) -> Deployment:
    return deployment(cluster, "amd")


@pytest.mark.parametrize("name", WAYS)
def test_up_fails_with_one_report_and_makes_nothing(amd: Deployment, name: str) -> None:
    [bad] = [each for each in corpus() if each.name == name]
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
    else:  # because of Pulumi.yaml, the CLI refuses it without starting the program
        assert said.strip().endswith("configuration key 'llm-d-pd:serving' must be of type 'object'")
    assert "Traceback" not in said
    assert "placeholder" not in said
    assert amd.objects() == set()
