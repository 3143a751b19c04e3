"""Imports: floors of components, and parts that do not import each other. Every test is collected."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FLOORS: dict[str, int] = {
    "config": 1,
    "accelerators": 2,
    "args": 2,
    "kubeconfig": 2,
    "manifests": 2,
    "releases": 2,
    "names": 2,
    "infrastructures": 3,
    "gateways": 3,
    "plan": 4,
    "pods": 5,
    "objects": 5,
    "serving_namespace": 6,
    "model_gateway": 6,
    "inference_pool": 6,
    "endpoint_picker": 6,
    "prefill_tier": 6,
    "decode_tier": 6,
    "monitoring": 6,
    "network_isolation": 6,
    "cluster": 6,
    "target_cluster": 6,
    "way_in": 6,
    "exports": 7,
}
"""Parts of components/; a part imports lower floors and itself. Components import no other component: what they share
comes from names. The plan asks the gateway providers, whose objects are data: they stand below the plan."""


def _tracked() -> list[Path]:
    """Python files that git knows, and new ones that it would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).exists()]


def _files(half: str) -> list[Path]:
    return [file for file in _tracked() if file.is_relative_to(ROOT / half)]


def _imports(file: Path) -> Iterator[str]:
    """Modules that a file imports, dotted; a name imported from a package may be a module of it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.relative_to(ROOT)}: relative import hides the floor"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _room(file: Path) -> str:
    return file.relative_to(ROOT / "components").parts[0].removesuffix(".py")


def _named(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


def test_every_room_has_a_floor() -> None:
    assert {_room(file) for file in _files("components")} - {"__init__"} == FLOORS.keys()


@pytest.mark.parametrize("name", _named(_files("components")))
def test_a_floor_imports_lower_floors_only(name: str) -> None:
    file = ROOT / name
    room = _room(file)
    for module in _imports(file):
        parts = module.split(".")
        if parts[0] != "components" or room == "__init__":
            continue
        other = parts[1]
        assert other == room or FLOORS[other] < FLOORS[room], f"{name} imports {module} of a floor not below its own"


def test_lower_floors_of_components_make_no_resource() -> None:
    """Up to the plan everything is data; only above it is the Kubernetes SDK known."""
    for file in _files("components"):
        if FLOORS.get(_room(file), 0) <= FLOORS["plan"]:
            assert not [name for name in _imports(file) if name.startswith("pulumi_kubernetes")], file


@pytest.mark.parametrize(
    ("half", "others"),
    [
        ("sandbox", {"components", "policy", "preflight"}),
        ("components", {"sandbox", "policy", "preflight", "verify"}),
        ("policy", {"components", "preflight", "sandbox", "verify"}),
        ("preflight", {"sandbox", "policy", "review", "verify"}),
        ("review", {"components", "policy", "preflight", "sandbox", "verify"}),
    ],
)
def test_the_parts_do_not_know_each_other(half: str, others: set[str]) -> None:
    for file in _files(half):
        strangers = [name for name in _imports(file) if name.split(".")[0] in {*others, "tests"}]
        assert not strangers, f"{file.relative_to(ROOT)} imports {strangers}"


def test_reviews_need_nothing_but_the_interpreter() -> None:
    """Workflows run them where nothing is installed."""
    for file in _files("review"):
        assert {name.split(".")[0] for name in _imports(file)} <= sys.stdlib_module_names | {"review"}, file


def test_the_program_on_top_knows_our_rooms_pulumi_and_the_interpreter_only() -> None:
    assert {name.split(".")[0] for name in _imports(ROOT / "__main__.py")} == {
        "components",
        "gc",
        "preflight",
        "pulumi",
    }


def test_every_test_is_collected() -> None:
    """pytest collects test_*.py; a test function elsewhere would never run."""
    lost = []
    for file in _files("tests"):
        if file.name.startswith("test_"):
            continue
        functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
        lost += [f"{file.relative_to(ROOT)}: {each.name}" for each in functions if each.name.startswith("test_")]
    assert not lost


def test_no_test_file_is_without_tests() -> None:
    for file in _files("tests"):
        if file.name.startswith("test_"):
            nodes = ast.walk(ast.parse(file.read_text()))
            assert any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in nodes), file
