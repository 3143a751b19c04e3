"""Every command and every setting in the pages exists, and every recipe gives a stack that deploys."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import PAGES, ROOT, Block, blocks, commands, settings
from tests.docs.stack_text import SCHEMA, problems_in
from tests.recorder import run_program

Tool = Callable[[str], Path]
Run = Callable[[Path, list[str]], str]

RECIPES = [block for block in blocks("bash") if any(words[:2] == ["pulumi", "config"] for words in block.commands)]
SETTING = re.compile(r"(?<![\w.])serving(?:\.[A-Za-z]\w*|\[\d*\])+")


@pytest.fixture(scope="module")
def run(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs the real CLI in a folder, with a backend of its own."""
    own = tmp_path_factory.mktemp("pulumi")
    environment = {
        "PATH": os.environ["PATH"],
        "PULUMI_HOME": str(own / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "for tests",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }

    def call(folder: Path, words: list[str]) -> str:
        ended = subprocess.run(
            [str(tool("pulumi")), *words[1:]],
            cwd=folder,
            env={**environment, "PULUMI_BACKEND_URL": f"file://{folder}"},
            input="hf_token",
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{' '.join(words)}: {ended.stderr}"
        return ended.stdout

    return call


def checkout(folder: Path) -> Path:
    """A folder with the project's stack files."""
    for file in ROOT.glob("Pulumi*.yaml"):
        shutil.copy(file, folder)
    return folder


@pytest.fixture(scope="module")
def begun(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A checkout with a token for stack amd, and the text of its stack file. Most recipes start from them."""
    folder = checkout(tmp_path_factory.mktemp("checkout"))
    run(folder, ["pulumi", "stack", "init", "amd"])
    run(folder, ["pulumi", "config", "set", "--secret", "hfToken"])
    return folder, (folder / "Pulumi.amd.yaml").read_text()


@pytest.mark.thorough
@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_recipe_gives_a_stack_that_deploys(recipe: Block, run: Run, begun: tuple[Path, str], tmp_path: Path) -> None:
    [stack] = [words[3] for words in recipe.commands if words[:3] == ["pulumi", "stack", "init"]] or ["amd"]
    folder, before = begun
    if stack == "amd" and ["pulumi", "stack", "init", "amd"] in recipe.commands:
        folder, before = checkout(tmp_path), (ROOT / "Pulumi.amd.yaml").read_text()
    (folder / "Pulumi.amd.yaml").write_text(before)
    for words in recipe.commands:
        if words[:2] == ["pulumi", "config"] or words[:3] == ["pulumi", "stack", "init"]:
            run(folder, words)
    text = (folder / f"Pulumi.{stack}.yaml").read_text()
    if stack != "amd":
        run(folder, ["pulumi", "stack", "select", "amd"])
    SCHEMA.validate(yaml.safe_load(text))
    assert [problem.text() for problem in problems_in(text)] == []
    assert text != before, "it changes something"


@pytest.mark.parametrize(
    ("path", "wrong", "meant"), [("serving.prefill.replicas", "2.5", "2"), ("serving.hostNetwork", "yes", "false")]
)
def test_the_commands_of_a_refusal_put_a_type_right(
    path: str, wrong: str, meant: str, run: Run, begun: tuple[Path, str]
) -> None:
    """A value of another type is there already, which decides what `pulumi config set` writes."""
    folder, before = begun
    file = folder / "Pulumi.amd.yaml"
    file.write_text(before)
    for value in (wrong, meant):
        run(folder, ["pulumi", "config", "set", "--path", path, value])
    [problem] = problems_in(file.read_text())
    assert problem.path == path
    for command in re.findall(r"`(pulumi [^`]*)`", problem.change):
        run(folder, command.split())
    assert problems_in(file.read_text()) == []


@pytest.fixture(scope="module")
def usage(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """What the CLI says of one of its commands; asked once."""
    folder = tmp_path_factory.mktemp("usage")
    return cache(lambda *command: run(folder, ["pulumi", *command, "--help"]))


@pytest.mark.parametrize("words", commands("pulumi"), ids=" ".join)
def test_pulumi_knows_the_command_and_its_flags(words: list[str], usage: Callable[..., str]) -> None:
    named = [word for word in words[1:] if not word.startswith("-")]
    command = named[:2] if named[0] in ("config", "stack") else named[:1]
    said = usage(*command)
    names = re.findall(r"^Usage:\n  (pulumi [\w ]*?)(?: [\[<].*)?$|^Aliases:\n  (.*)$", said, re.MULTILINE)
    assert command[-1] in re.findall(r"\w+", str(names)), said
    flags = words[: words.index("--")] if "--" in words else words
    for flag in (word.split("=")[0] for word in flags if word.startswith("-")):
        assert re.search(rf"(^|\s){flag}[ ,\n]", said), f"{flag} of {' '.join(words)}"


@pytest.mark.parametrize("words", commands("make"), ids=" ".join)
def test_make_knows_the_target(words: list[str]) -> None:
    made = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_named_exists(page: Path) -> None:
    rows = settings()
    maps = {path for path, value in rows.items() if value in ("map", "object")}
    text = re.sub(r"^```text\n.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for path in set(SETTING.findall(text)):
        known = re.sub(r"\[\d*\]", "[]", path)
        assert known.removesuffix("[]") in rows or known.rpartition(".")[0] in maps - {"serving"}, path


def test_documented_outputs_are_the_outputs_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {"name": "c", "cluster": {"server": "https://c"}}
    context = {"name": "c", "context": {"cluster": "c"}}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps({"current-context": "c", "contexts": [context], "clusters": [cluster]}))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    serving = yaml.safe_load((ROOT / "Pulumi.amd.yaml").read_text())["config"]["llm-d-pd:serving"]
    serving["routing"] = {"flowControl": {"priorities": [{"name": "chat", "priority": 1}]}}
    outputs = run_program(serving).stack_outputs
    page = (ROOT / "docs/cluster.md").read_text()
    assert [key for key in outputs if f"`{key}`" not in page] == []
    for each in PAGES:
        assert set(re.findall(r"pulumi stack output (\w+)", each.read_text())) <= outputs.keys(), each.name
