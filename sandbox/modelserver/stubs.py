"""Stub libraries in place of CUDA's: with them torch's wheel for x86_64 loads on machines without CUDA.

The wheel is built against CUDA. On a CPU no function of CUDA runs, but the dynamic linker needs every library and every
symbol that torch's own libraries name. A stub defines these symbols, each as a function that returns an error or a
zeroed page, or as a zeroed object. Needs gcc and binutils (nm, readelf).
"""

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_CUDA_LIBRARY = re.compile(r"lib(cu|nccl|nv)[A-Za-z_]*\.so[.0-9]*")
_CUDA_FUNCTION = re.compile(r"(cu|nccl|nvrtc)[A-Z]")
_CUDA_PARTS = ("libtorch_cuda.so", "libtorch_cuda_linalg.so", "libtorch_nvshmem.so", "libcaffe2_nvrtc.so")
"""Parts of torch that run on a GPU only; 1.2 GB in 2.10.0."""
_CONSTRUCTOR = re.compile(r"_ZN(.+)C[12]E.*")
_NO_DEVICE = 100
"""cudaErrorNoDevice and CUDA_ERROR_NO_DEVICE."""
VIRTUAL = "constructor"
"""The kind of a constructor of a class with virtual functions."""
_PAGE = 4096
"""Bytes of an object in a stub. No object that torch's libraries read from libtorch_cuda.so is larger."""


@dataclass(frozen=True)
class Symbol:
    """A dynamic symbol as `nm --dynamic` prints it: `kind` is its letter, `version` its node or empty."""

    name: str
    kind: str
    version: str = ""


@dataclass(frozen=True)
class Library:
    """The symbols that one shared library defines, and the symbols and libraries that it needs."""

    defined: Mapping[str, Symbol]
    undefined: frozenset[Symbol]
    needed: frozenset[str]


def replace_cuda(folder: Path) -> list[str]:
    """Put stubs into torch's folder `lib`, in place of CUDA's libraries and the parts that need them.

    Returns the names of the stubs. Raises `subprocess.CalledProcessError` when a program of binutils or gcc fails.
    """
    files = {file.name: file for file in folder.glob("*.so*")}
    libraries = {name: read(file) for name, file in files.items()}
    kept = {name: library for name, library in libraries.items() if name not in _CUDA_PARTS}
    dropped = {name: library for name, library in libraries.items() if name in _CUDA_PARTS}
    stubs = missing(kept.values(), dropped.values())
    for name in dropped:
        files[name].unlink()
    for name, symbols in stubs.items():
        compile_stub(folder / name, symbols)
    return sorted(stubs)


def missing(kept: Iterable[Library], dropped: Iterable[Library]) -> dict[str, list[Symbol]]:
    """Return the libraries that `kept` need and that are absent, each with the symbols that its stub must define.

    A symbol with a version belongs to the library that has the version's name. The linker finds a symbol without a
    version in any library, so the stub of libtorch_cuda.so has all of these: the symbols that `dropped` define, with
    their kind there, and functions of CUDA.
    """
    kept = list(kept)
    offered = {name: symbol for library in dropped for name, symbol in library.defined.items()}
    own = {name for library in kept for name in library.defined}
    names = {name for library in kept for name in library.needed if _CUDA_LIBRARY.fullmatch(name)}
    stubs: dict[str, list[Symbol]] = {name: [] for name in sorted(names | {_CUDA_PARTS[0]})}
    wanted = {symbol for library in kept for symbol in library.undefined if symbol.name not in own}
    for symbol in sorted(wanted, key=lambda each: (each.name, each.version)):
        if symbol.version in stubs:
            stubs[symbol.version].append(symbol)
        elif not symbol.version and (symbol.name in offered or _CUDA_FUNCTION.match(symbol.name)):
            constructor = _CONSTRUCTOR.fullmatch(symbol.name)
            virtual = constructor and f"_ZTVN{constructor[1]}E" in offered
            stubs[_CUDA_PARTS[0]].append(Symbol(symbol.name, VIRTUAL) if virtual else offered.get(symbol.name, symbol))
    return stubs


def source(symbols: Iterable[Symbol]) -> str:
    """Return a C source that defines the symbols."""
    lines = [
        'extern char class_type_info[] __asm__("_ZTVN10__cxxabiv117__class_type_infoE");',
        f"static char zeros[{_PAGE}];",
        "static void nothing(void) {}",
        "static void *functions[64] = { 0, 0, [2 ... 63] = nothing };",
    ]
    for number, symbol in enumerate(symbols):
        label = f'__asm__("{symbol.name}")'
        if symbol.name.startswith("_ZTI"):  # libstdc++ compares the names of type information
            lines.append(
                f"struct {{ void *table; const char *name; }} s{number} {label} = "
                f'{{ class_type_info + 16, "{symbol.name[4:]}" }};'
            )
        elif symbol.kind in "BDRVu":
            lines.append(f"char s{number}[{_PAGE}] {label};")
        elif symbol.kind == VIRTUAL:  # torch 2.13.0 reads the type of such an object, and frees it
            lines.append(f"void s{number}(void **) {label}; void s{number}(void **it) {{ *it = functions + 2; }}")
        elif symbol.kind == "U":
            lines.append(f"int s{number}(void) {label}; int s{number}(void) {{ return {_NO_DEVICE}; }}")
        else:
            lines.append(f"void *s{number}(void) {label}; void *s{number}(void) {{ return zeros; }}")
    return "\n".join(lines) + "\n"


def compile_stub(file: Path, symbols: Iterable[Symbol]) -> None:
    """Compile the library `file` that defines the symbols, each with its version."""
    symbols = list(symbols)
    nodes: dict[str, list[str]] = {}
    for symbol in symbols:
        if symbol.version:
            nodes.setdefault(symbol.version, []).append(symbol.name)
    with tempfile.TemporaryDirectory() as temporary:
        script = Path(temporary) / "versions"
        script.write_text("".join(f"{node} {{ global: {'; '.join(names)}; }};\n" for node, names in nodes.items()))
        versions = [f"-Wl,--version-script={script}"] if nodes else []
        command = ["gcc", "-shared", "-fPIC", "-nostdlib", "-w", f"-Wl,-soname,{file.name}", *versions, "-o", str(file)]
        subprocess.run([*command, "-x", "c", "-"], input=source(symbols), text=True, check=True)


def read(file: Path) -> Library:
    """Read one shared library with nm and readelf."""
    defined = _symbols(_run("nm", "--dynamic", "--defined-only", str(file)))
    undefined = _symbols(_run("nm", "--dynamic", "--undefined-only", str(file)))
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", _run("readelf", "--dynamic", "--wide", str(file)))
    return Library({symbol.name: symbol for symbol in defined}, frozenset(undefined), frozenset(needed))


def _symbols(printed: str) -> list[Symbol]:
    symbols = []
    for words in map(str.split, printed.splitlines()):
        name, _, version = words[-1].partition("@")
        symbols.append(Symbol(name, words[-2], version.lstrip("@")))
    return symbols


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
