"""The policy pack under the real CLI, in a separate process and virtual environment."""

import subprocess
from pathlib import Path

import pytest

from policy.rules import RULES
from sandbox.engine import Engine
from sandbox.home import CHECKOUT
from tests.sandbox.project import prepared

PACK = CHECKOUT / "policy"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The amd stack, with no cluster: a preview needs none."""
    return prepared(tmp_path_factory.mktemp("pack"), CHECKOUT, "amd")


def pulumi(engine: Engine, *arguments: str) -> tuple[int, str]:
    command = ["pulumi", *arguments, "--stack", "amd", "--non-interactive"]
    ended = subprocess.run(
        command,
        cwd=engine.cwd,
        env=engine.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


@pytest.mark.thorough
def test_the_stack_passes(engine: Engine) -> None:
    code, output = pulumi(engine, "preview", "--policy-pack", str(PACK))
    assert code == 0, output
    assert "llm-d-pd@v1.0.0 (local: " in output, output
    assert "mandatory" not in output and "can't run policy" not in output


def test_a_stack_that_breaks_rules_is_stopped_with_the_outcomes(engine: Engine) -> None:
    image = "serving.decode.image=ghcr.io/llm-d/llm-d-rocm:latest"
    pulumi(engine, "config", "set-all", "--path", "--plaintext", image, "--plaintext", "serving.decode.env.TOKEN=abc")
    code, output = pulumi(engine, "preview", "--policy-pack", str(PACK), "--color", "never")
    assert code != 0
    assert output.count("[mandatory]") == 2, output
    for name, place in (("pinned-images", "image"), ("no-secret-in-plain-sight", "env[TOKEN].value")):
        [rule] = [rule for rule in RULES if rule.name == name]
        assert f"[mandatory]  {name}" in output
        assert (
            f"Deployment llm-d-pd/ms-pd-llm-d-modelservice-decode: spec.template.spec.containers[vllm].{place}"
            in output
        )
        assert f"outcome: {rule.outcome}" in output
    assert "Traceback" not in output


@pytest.mark.thorough
def test_a_rule_can_be_made_a_warning(engine: Engine, tmp_path: Path) -> None:
    """As docs/policy.md says."""
    levels = tmp_path / "levels.json"
    levels.write_text('{"pinned-images": "advisory"}')
    pulumi(engine, "config", "rm", "--path", "serving.decode.env")
    pulumi(engine, "config", "set", "--path", "serving.decode.image", "ghcr.io/llm-d/llm-d-rocm:latest")
    code, output = pulumi(
        engine, "preview", "--policy-pack", str(PACK), "--policy-pack-config", str(levels), "--color", "never"
    )
    assert code == 0, output
    assert "[advisory]  pinned-images" in output


@pytest.mark.thorough
def test_a_pack_without_its_environment_says_how_to_make_it(engine: Engine, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    for name in ("PulumiPolicy.yaml", "__main__.py", "requirements.txt"):
        (pack / name).write_text((PACK / name).read_text())
    code, output = pulumi(engine, "preview", "--policy-pack", str(pack))
    assert code != 0
    assert "-m venv" in output and f"{pack}/requirements.txt" in output
    assert "Traceback" not in output
