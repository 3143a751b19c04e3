"""Real vLLM in a container: substitutions between what the pod declares and what vLLM gets, and its start.

All other flags and variables reach vLLM unchanged. `vllm bench` runs as it is, with the tiny model's tokenizer.
Standard library only: this runs in the container, before vLLM.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sandbox.modelserver.command_line import LEVELS, plain, translated

MODELS = "models"
"""Folder of the cache. It holds a link to the tiny model under the name of each declared model."""

AVAILABLE = frozenset(("all", "tcp", "self", "sm", "shm", "mm", "posix", "sysv", "cma"))
"""Transports of UCX that work without special hardware or kernel modules."""
NETWORK = frozenset(
    (
        *("ib", "rc", "rc_v", "rc_verbs", "rc_x", "rc_mlx5", "ud", "ud_v", "ud_verbs", "ud_x", "ud_mlx5"),
        *("dc", "dc_x", "dc_mlx5", "srd"),
    )
)
"""Transports of UCX that need an RDMA adapter."""
DEVICE = frozenset(
    (
        *("knem", "xpmem", "gga_mlx5", "cuda", "cuda_copy", "cuda_ipc", "gdr_copy"),
        *("rocm", "rocm_copy", "rocm_ipc", "rocm_gdr", "ze", "ze_copy", "ze_ipc", "ze_gdr", "gaudi_gdr"),
    )
)
"""Transports of UCX within a node that need a GPU, an adapter or a kernel module."""

_BLOCKS, _SEQUENCES = 256, 8
_TLS_NAME = re.compile(r"\\?(?P<name>[a-z_0-9]+)(:aux|:init)?")


@dataclass(frozen=True)
class Machine:
    """Properties of the container in which vLLM runs."""

    models: str
    """Folder with a link to the tiny model for each declared model."""
    cache: str
    tensor_parallel: int
    """Largest tensor parallelism."""
    interfaces: frozenset[str]
    """Names of network interfaces."""


@dataclass(frozen=True)
class Difference:
    """A value that vLLM gets in place of the declared one. None = absent."""

    name: str
    declared: str | None
    used: str | None
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {_shown(self.declared)} → {_shown(self.used)} ({self.reason})"


@dataclass(frozen=True)
class Substitution:
    """One line of the table. `used` returns vLLM's value; None = absent, in the argument and in the result."""

    name: str
    rule: str
    """Description of the value that vLLM gets."""
    reason: str
    used: Callable[[str | None, Machine], str | None]


def _model(declared: str | None, machine: Machine) -> str | None:
    return None if declared is None else f"{machine.models}/{declared.strip('/')}"


def _tensor_parallel(declared: str | None, machine: Machine) -> str | None:
    too_large = declared and declared.isdigit() and int(declared) > machine.tensor_parallel
    return str(machine.tensor_parallel) if too_large else declared


def _sequences(declared: str | None, _: Machine) -> str | None:
    kept = declared and not (declared.isdigit() and int(declared) > _SEQUENCES)
    return declared if kept else str(_SEQUENCES)


def _attention(declared: str | None, _: Machine) -> str | None:
    return declared if declared == "CPU_ATTN" else None


def _transfer(declared: str | None, _: Machine) -> str | None:
    """Change the two fields in the JSON. Other texts stay, so that vLLM refuses them."""
    try:
        config = json.loads(declared or "null")
    except ValueError:
        return declared
    if not isinstance(config, dict):
        return declared
    if config.get("kv_buffer_device", "cuda") in ("cuda", "gpu"):
        config["kv_buffer_device"] = "cpu"
    extra = config.get("kv_connector_extra_config")
    if isinstance(extra, dict) and "LIBFABRIC" in extra.get("backends", []):
        config["kv_connector_extra_config"] = {**extra, "backends": ["UCX"]}
    return json.dumps(config, separators=(",", ":"))


def _tls(declared: str | None, _: Machine) -> str | None:
    """Replace network transports by tcp and leave out those of GPUs. A list of exclusions stays."""
    if declared is None or declared.startswith("^"):
        return declared
    kept: list[str] = []
    for word in declared.split(","):
        found = _TLS_NAME.fullmatch(word)
        name = found["name"] if found else word
        if name in NETWORK:
            kept.append("tcp")
        elif name not in DEVICE:
            kept.append(word)
    return ",".join(dict.fromkeys(kept))


def _net_devices(declared: str | None, machine: Machine) -> str | None:
    """Keep interfaces of this container, and the words `all` and `^…`."""
    if declared is None or declared.startswith("^"):
        return declared
    names = [word if word in {"all", *machine.interfaces} else "eth0" for word in declared.split(",")]
    return ",".join(dict.fromkeys(names))


def _always(value: str) -> Callable[[str | None, Machine], str]:
    return lambda _, __: value


_CPU = "vLLM's CPU backend on a small machine"
_NO_RDMA = "this machine has no RDMA adapter"

MODEL = Substitution(
    "model",
    "a tiny random model in a folder of the declared name",
    "real weights do not fit; NIXL compares the path between the tiers, so different models keep different paths",
    _model,
)
FLAGS: tuple[Substitution, ...] = (
    Substitution(
        "--tensor-parallel-size",
        "at most 1, or at most `MODEL_SERVER_TP`",
        "each rank is a process that keeps a core busy",
        _tensor_parallel,
    ),
    Substitution(
        "--kv-transfer-config",
        "`kv_buffer_device` cpu instead of cuda or none; NIXL backend UCX instead of LIBFABRIC",
        "KV blocks are in host memory; " + _NO_RDMA,
        _transfer,
    ),
    Substitution("--attention-backend", "absent, unless it is CPU_ATTN", "the others need a GPU", _attention),
    Substitution("--enforce-eager", "set", "compilation takes minutes on two cores", _always("")),
    Substitution(
        "--num-gpu-blocks-override",
        str(_BLOCKS),
        "memory: 64 MiB of KV cache for the tiny model",
        _always(str(_BLOCKS)),
    ),
    Substitution("--max-num-seqs", f"at most {_SEQUENCES}", _CPU, _sequences),
)
VARIABLES: tuple[Substitution, ...] = (
    Substitution(
        "UCX_TLS",
        "tcp for each RDMA transport; without GPU transports; other names as declared",
        "this machine has neither; UCX itself judges the other names",
        _tls,
    ),
    Substitution("UCX_NET_DEVICES", "eth0 for each device that the pod does not have", _NO_RDMA, _net_devices),
    Substitution("HF_HUB_OFFLINE", "1", "the model is local", _always("1")),
    Substitution("OMP_NUM_THREADS", "1", _CPU, _always("1")),
    Substitution(
        "SANDBOX_NIXL_PROGRESS_DELAY",
        "100000 (µs)",
        "NIXL's progress thread waits for events; by default it polls without a pause, one busy core for each engine",
        _always("100000"),
    ),
    Substitution("TORCHDYNAMO_DISABLE", "1", "compilation takes minutes on two cores", _always("1")),
    Substitution("VLLM_CACHE_ROOT", "a folder of the sandbox", "the pods share what they cache", lambda _, m: m.cache),
    Substitution("VLLM_CPU_KVCACHE_SPACE", "1 (GiB)", _CPU, _always("1")),
    Substitution("VLLM_CPU_OMP_THREADS_BIND", "nobind", _CPU, _always("nobind")),
    Substitution("VLLM_NO_USAGE_STATS", "1", "nothing is sent from a sandbox", _always("1")),
)
SETTINGS: Mapping[str, tuple[object, str]] = {
    "prefill.replicas": (1, "what two cores carry"),
    "decode.replicas": (1, "what two cores carry"),
    "ucx.protoInfo": (True, "`make verify` reads the transport of KV blocks from it"),
    "ucx.logLevel": ("info", "`make verify` reads the transport of KV blocks from it"),
}
"""Settings of the sandbox's copy of the stack file, below `serving`, each with the reason. `SET=` wins over them."""


def substituted(
    words: Sequence[str], variables: Mapping[str, str], machine: Machine
) -> tuple[list[str], dict[str, str], list[Difference]]:
    """Return vLLM's command line after `serve`, its environment, and what differs from the declared ones.

    `words` are in plain spelling: the model first, and no JSON by key.
    """
    line, environment = list(words), dict(variables)
    differences: list[Difference] = []

    def note(one: Substitution, declared: str | None, used: str | None) -> None:
        if used != declared:
            differences.append(Difference(one.name, declared, used, one.reason))

    if line and not line[0].startswith("-"):
        declared = line[0]
        line[0] = MODEL.used(declared, machine) or declared
        note(MODEL, declared, line[0])
    for one in FLAGS:
        value, rest, place = _taken(line, one.name)
        used = one.used(value, machine)
        if used != value:
            line = rest
            if used is not None:
                line.insert(place, f"{one.name}={used}" if used else one.name)
        note(one, value, used)
    for one in VARIABLES:
        value = environment.pop(one.name, None)
        used = one.used(value, machine)
        if used is not None:
            environment[one.name] = used
        note(one, value, used)
    return line, environment, differences


def _taken(words: Sequence[str], flag: str) -> tuple[str | None, list[str], int]:
    """Return the last value of a flag, the words without it, and its position (the end if it is absent)."""
    value: str | None = None
    rest: list[str] = []
    place = -1
    following = iter(words)
    for word in following:
        name, equals, text = word.partition("=")
        if name == flag.replace("--", "--no-", 1):
            value = "no"
        elif name != flag:
            rest.append(word)
            continue
        elif equals:
            value = text
        else:
            value = "" if flag == "--enforce-eager" else next(following, "")
        place = len(rest)
    return value, rest, place if place >= 0 else len(rest)


def _shown(value: str | None) -> str:
    return "absent" if value is None else value or "set"


def main(words: Sequence[str], *, version: str, python: str, model: str, cache: str, tensor_parallel: int) -> NoReturn:
    """Become vLLM, or exit as vLLM does. `python`, `model` (a folder) and `cache` are paths in the container."""
    if words[:1] != ["bench"]:
        translated(words, version)
    interfaces = frozenset(one.name for one in Path("/sys/class/net").iterdir())
    machine = Machine(f"{cache}/{MODELS}", cache, tensor_parallel, interfaces)
    if words[:1] == ["bench"]:
        client = [f"--model={model}" if word.startswith("--model=") else word for word in words]
        _, environment, _ = substituted([], os.environ, machine)
        os.execve(python, [python, "-m", "vllm.entrypoints.cli.main", *client], environment)
    line, environment, differences = substituted(plain(words[1:], LEVELS[version]), os.environ, machine)
    for one in differences:
        print(f"sandbox: {one}", file=sys.stderr)
    link = Path(line[0])
    before = os.umask(0)  # servers of any user make folders there
    link.parent.mkdir(parents=True, exist_ok=True)
    os.umask(before)
    with suppress(FileExistsError):
        link.symlink_to(model)
    sys.stderr.flush()
    os.execve(python, [python, "-m", "vllm.entrypoints.cli.main", "serve", *line], environment)
