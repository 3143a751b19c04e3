"""Missing symbols by library, and a stub that the dynamic linker accepts."""

import ctypes
import subprocess
from pathlib import Path

from sandbox.modelserver.stubs import Library, Symbol, compile_stub, missing, read


def library(defined: list[Symbol], undefined: list[Symbol], needed: list[str]) -> Library:
    return Library({each.name: each for each in defined}, frozenset(undefined), frozenset(needed))


def test_each_symbol_is_defined_by_the_library_that_needs_it() -> None:
    malloc = Symbol("cudaMalloc", "U", "libcudart.so.12")
    kept = library(
        [Symbol("own", "T")],
        [
            malloc,
            Symbol("own", "U"),
            Symbol("cuFileRead", "U"),
            Symbol("_ZN2at4cuda5cacheE", "U"),
            Symbol("PyList_New", "U"),
            Symbol("_ZTISt9exception", "U"),
            Symbol("malloc", "U", "GLIBC_2.2.5"),
        ],
        ["libcudart.so.12", "libcufile.so.0", "libtorch_cuda.so", "libc.so.6"],
    )
    dropped = library([Symbol("_ZN2at4cuda5cacheE", "B"), Symbol("_ZN2at6unusedEv", "T")], [], [])
    assert missing([kept], [dropped]) == {
        "libcudart.so.12": [malloc],
        "libcufile.so.0": [],
        "libtorch_cuda.so": [Symbol("_ZN2at4cuda5cacheE", "B"), Symbol("cuFileRead", "U")],
    }


def test_a_program_with_versioned_symbols_loads_with_the_stub(tmp_path: Path) -> None:
    """The program links the real library, then the stub replaces it."""
    real = tmp_path / "libcudart.so.12"
    script = tmp_path / "versions"
    script.write_text("libcudart.so.12 { global: cudaGetDevice; };\n")
    gcc = ["gcc", "-shared", "-fPIC", "-nostdlib", "-x", "c", "-"]
    subprocess.run(
        [*gcc, "-o", real, f"-Wl,--version-script={script}", "-Wl,-soname,libcudart.so.12"],
        input="int cudaGetDevice(void) { return 0; }",
        text=True,
        check=True,
    )
    user = tmp_path / "libuser.so"
    subprocess.run(
        [*gcc, "-x", "none", real, "-o", user, "-Wl,-z,now", f"-Wl,-rpath,{tmp_path}"],
        input="int cudaGetDevice(void); int device(void) { return cudaGetDevice(); }",
        text=True,
        check=True,
    )
    asked = missing([read(user)], [])
    real.unlink()
    compile_stub(real, asked["libcudart.so.12"])
    assert ctypes.CDLL(str(user)).device() == 100  # cudaErrorNoDevice
