"""Checks of imports (layers of components, independent parts) and of test collection."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LAYERS: dict[str, int] = {
    "config": 1,
    "accelerators": 2,
    "quantity": 1,
    "access_log": 1,
    "args": 1,
    "stack_state": 1,
    "manifests": 2,
    "releases": 2,
    "names": 2,
    "infrastructures": 3,
    "gateways": 3,
    "plan": 4,
    "pods": 5,
    "registration": 5,
    "serving_namespace": 6,
    "model_gateway": 6,
    "inference_pool": 6,
    "endpoint_picker": 6,
    "worker_tiers": 6,
    "monitoring": 6,
    "network_isolation": 6,
    "kubernetes_provider": 6,
    "target_cluster": 6,
    "generation": 7,
    "exports": 7,
    "objects": 7,
}
"""Parts of components/; a part imports lower layers and itself. Components import no other component: what they share
comes from names. The plan asks the gateway providers, because their objects are data: they are below the plan."""


@cache
def _tracked() -> list[Path]:
    """Return Python files that git tracks, and new ones that it does not ignore."""
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
    """Return the dotted names that a file imports; a name imported from a package may be one of its modules."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.relative_to(ROOT)}: a relative import hides the layer"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _part(file: Path) -> str:
    return file.relative_to(ROOT / "components").parts[0].removesuffix(".py")


def _named(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


def test_every_part_has_a_layer() -> None:
    assert {_part(file) for file in _files("components")} - {"__init__"} == LAYERS.keys()


@pytest.mark.parametrize("name", _named(_files("components")))
def test_a_layer_imports_lower_layers_only(name: str) -> None:
    file = ROOT / name
    part = _part(file)
    for module in _imports(file):
        parts = module.split(".")
        if parts[0] != "components" or part == "__init__":
            continue
        other = parts[1]
        assert other == part or LAYERS[other] < LAYERS[part], f"{name} imports {module} of a layer not below its own"


def test_only_the_provider_needs_the_kubernetes_sdk() -> None:
    """Everything else is data. The import of the SDK's typed classes takes longer than the rest of the program."""
    files = [*_files("components"), *_files("preflight"), *_files("verify"), ROOT / "__main__.py"]
    importing = [file for file in files if any(name.startswith("pulumi_kubernetes") for name in _imports(file))]
    assert importing == [ROOT / "components" / "kubernetes_provider.py"]


@pytest.mark.parametrize(
    ("half", "others"),
    [
        ("access", {"components", "policy", "preflight", "review", "sandbox", "verify"}),
        ("sandbox", {"components", "policy", "preflight"}),
        ("components", {"sandbox", "policy", "preflight", "verify"}),
        ("policy", {"access", "components", "preflight", "sandbox", "verify"}),
        ("preflight", {"sandbox", "policy", "review", "verify"}),
        ("verify", {"components", "sandbox", "policy", "preflight", "review"}),
        ("review", {"access", "components", "policy", "preflight", "sandbox", "verify"}),
    ],
)
def test_the_parts_do_not_import_each_other(half: str, others: set[str]) -> None:
    """A parser and a format are no decisions: every part may import them."""
    shared = ("components.quantity.", "components.access_log.")
    for file in _files(half):
        wrong = [
            name for name in _imports(file) if name.split(".")[0] in {*others, "tests"} and not name.startswith(shared)
        ]
        assert not wrong, f"{file.relative_to(ROOT)} imports {wrong}"


def test_reviews_need_nothing_but_the_interpreter() -> None:
    """Workflows run them where nothing is installed."""
    for file in _files("review"):
        assert {name.split(".")[0] for name in _imports(file)} <= sys.stdlib_module_names | {"review"}, file


def test_sizing_is_plain_data_and_arithmetic() -> None:
    """Only its command knows the program's data; the rest needs pydantic, PyYAML and the interpreter."""
    known = sys.stdlib_module_names | {"pydantic", "sizing", "yaml"}
    for file in _files("sizing"):
        if file.name not in ("__main__.py", "command.py", "plot.py"):
            assert {name.split(".")[0] for name in _imports(file)} <= known, file


def test_the_program_imports_components_preflight_verify_and_pulumi_only() -> None:
    assert {name.split(".")[0] for name in _imports(ROOT / "__main__.py")} == {
        "components",
        "gc",
        "preflight",
        "pulumi",
        "verify",
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


def test_every_folder_says_what_belongs_in_it() -> None:
    """In the docstring of its package, or of its program."""
    for folder in {file.parent for file in _tracked()}:
        heads = [folder / name for name in ("__init__.py", "__main__.py")]
        assert any(head.exists() and ast.get_docstring(ast.parse(head.read_text())) for head in heads), folder
