"""How a source becomes files: executables by `go build`, CRDs by copying them out of downloaded modules."""

import json
import re
from pathlib import Path

import yaml

from sandbox.errors import SandboxError
from sandbox.toolchain.catalog import Definitions, Executables, Source
from sandbox.toolchain.golang import Go


class _Loader(yaml.CSafeLoader):
    """YAML 1.2 as Kubernetes reads it: a lone `=` (an operator in one of the CRDs) is text."""


def _text(_: yaml.CSafeLoader, node: yaml.ScalarNode) -> str:
    return str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:value", _text)


def make(source: Source, go: Go, target: Path) -> None:
    """Fill the folder `target` with everything that `source` offers."""
    if isinstance(source, Executables):
        go.run(["build", *source.flags, "-o", f"{target}/", *source.packages.values()], source.folder)
        for name, package in source.packages.items():
            (target / _built(package, source.folder)).rename(target / name)
        for name, (module, file) in source.copied.items():
            (target / name).write_bytes((_downloaded(module, source.folder, go) / file).read_bytes())
        for name, package in source.printed.items():
            (target / name).write_text(go.run(["run", *source.flags, package], source.folder))
    else:
        _copy(source, go, target)


def download(source: Source, go: Go) -> None:
    """Fetch the modules that `make` compiles, which takes the network only."""
    if isinstance(source, Executables):
        go.run(["list", "-deps", *source.flags, *source.packages.values(), *source.printed.values()], source.folder)


def _built(package: str, folder: Path) -> str:
    """Return the name that `go build` gives a package's executable: the last part of its path but for a version."""
    parts = [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)]
    return folder.name if package == "." else parts[-1]


def _copy(source: Definitions, go: Go, target: Path) -> None:
    """Write each CRD as JSON, which reads a hundred times faster at every start than the modules' YAML."""
    for module, (pattern, wanted) in source.files.items():
        folder = _downloaded(module, source.folder, go)
        found = {
            document["metadata"]["name"]: document
            for file in sorted(folder.glob(pattern))
            for document in yaml.load_all(file.read_text(), Loader=_Loader)
            if document and document["kind"] == "CustomResourceDefinition"
        }
        missing = sorted((wanted or frozenset()) - found.keys())
        if missing or not found:
            raise SandboxError(
                f"module {module} has no CRD {', '.join(missing) or 'at all'} in {pattern}: "
                "its version in sandbox/toolchain/crds/go.mod and the paths in catalog.py don't belong together"
            )
        for name, document in found.items():
            if wanted is None or name in wanted:
                (target / f"{name}.json").write_text(json.dumps(document))


def _downloaded(module: str, folder: Path, go: Go) -> Path:
    """Return the folder of a module in the version that `folder`'s go.mod requires."""
    required = re.findall(r"^(?:require |\t)(\S+) (v\S+)", (folder / "go.mod").read_text(), re.MULTILINE)
    pinned = f"{module}@{dict(required)[module]}"  # spelled out: no other module's requirement can raise it
    return Path(json.loads(go.run(["mod", "download", "-json", pinned], folder))["Dir"])
