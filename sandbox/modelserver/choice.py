"""The model server of a sandbox, simulator or real vLLM: the kept choice, and its environment and settings for `up`."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox import release
from sandbox.cluster.api import Api, connect, is_true
from sandbox.engine.stack_files import View, mapping, serving
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.modelserver import environment
from sandbox.modelserver.environment import CACHED
from sandbox.modelserver.real import SETTINGS
from sandbox.progress import Progress

FILE = "model-server.json"
CACHE = "model-server-cache"
"""Folder of a sandbox with the caches of its vLLM servers."""
VERSION = "0.17.1"
"""Version of the real vLLM."""


@dataclass(frozen=True)
class Vllm:
    """Real vLLM: its virtual environment, the folder of the tiny model, and the largest tensor parallelism."""

    venv: str
    model: str
    tensor_parallel: int = 1


def read(root: Path) -> Vllm | None:
    """Return the choice of the sandbox in `root`; None = the simulator."""
    file = root / FILE
    return Vllm(**json.loads(file.read_text())) if file.exists() else None


def write(root: Path, choice: Vllm | None) -> None:
    """Keep the choice."""
    file = root / FILE
    if choice is None:
        file.unlink(missing_ok=True)
        return
    cache = root / CACHE
    shutil.copytree(Path(choice.model, CACHED), cache, dirs_exist_ok=True)
    cache.chmod(0o1777)  # servers of any user write there
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(choice)))
    unfinished.rename(file)


KINDS = ("simulator", "vllm")
_WORKERS = "llm-d.ai/role in (prefill,decode)"


def choose(
    home: Home, view: View, report: Progress, kind: str | None, tensor_parallel: int | None, *, isolated: bool
) -> tuple[list[str], list[str]]:
    """Choose the model server of the sandbox, or keep the last choice; provide its environment.

    `isolated`: whether pods run. Returns settings for the sandbox's copy of the stack file, as path=value, and paths to
    remove. Raises `SandboxError` for a stack or a machine that cannot run real vLLM.
    """
    before = read(home.root)
    if kind is None:
        kind = "vllm" if before else "simulator"
    if tensor_parallel is not None and (kind != "vllm" or tensor_parallel < 1):
        raise SandboxError("MODEL_SERVER_TP is the tensor parallelism of real vLLM, 1 or more: set MODEL_SERVER=vllm")
    now = None
    if kind == "vllm":
        if not isolated:
            raise SandboxError("MODEL_SERVER=vllm needs pods that run, and this machine allows no namespaces")
        now = _vllm(view.stack_file, report, tensor_parallel or (before.tensor_parallel if before else 1))
    if now != before:
        write(home.root, now)
        _replace_workers(home, report)
    copy = serving(view.stack_file)
    assignments, removals = _settings(copy, serving(view.tracked_file), real=now is not None)
    if now and not copy.get("release"):
        assignments.append(f'serving.release="{release.BUILT}"')
    return assignments, removals


def notes(root: Path) -> Iterator[str]:
    """Yield notes for the user about the choice, before a stack is deployed."""
    if real := read(root):
        settings = ", ".join(f"serving.{path}={_text(value)}" for path, (value, _) in SETTINGS.items())
        yield (
            f"Model server: vLLM {VERSION} with NIXL, real, on the CPU; tensor parallelism at most "
            f"{real.tensor_parallel}; {settings} unless the sandbox's copy of the stack file says otherwise."
        )


def _vllm(file: Path, report: Progress, tensor_parallel: int) -> Vllm:
    settings = serving(file)
    chosen = str(settings.get("release") or release.BUILT)
    if chosen != release.BUILT and not all(_at(settings, f"{tier}.image") for tier in ("prefill", "decode")):
        raise SandboxError(
            f'release "{chosen}" has another vLLM than {VERSION}, the real one of the sandbox: type '
            f"`make preview SET='serving.release=\"{release.BUILT}\"'` first, or use MODEL_SERVER=simulator"
        )
    if unfit := environment.unfit():
        raise SandboxError(f"this machine cannot run real vLLM: {unfit}")
    provided = environment.provide(report)
    return Vllm(str(provided.venv), str(provided.model), tensor_parallel)


def _replace_workers(home: Home, report: Progress) -> None:
    """Delete the pods of both tiers and wait until they are gone, because two cores are too slow for both generations.

    The Deployments make new pods with the new choice. A pod is gone after its grace period at the latest. A pod that
    is not Ready is deleted without grace: vLLM, as the first process of a container, ignores SIGTERM until it has
    imported its modules.
    """
    with connect(home.host_kubeconfig) as api:
        former = {one["metadata"]["uid"]: one for one in _workers(api)}
        for one in former.values():
            grace = {} if is_true(one, "Ready") else {"gracePeriodSeconds": "0"}
            api.delete(f"/api/v1/namespaces/{one['metadata']['namespace']}/pods/{one['metadata']['name']}", **grace)
        if former:
            with report.step("replacing the workers"):
                while former.keys() & {one["metadata"]["uid"] for one in _workers(api)}:
                    time.sleep(0.2)


def _workers(api: Api) -> list[dict[str, Any]]:
    return list(api.get("/api/v1/pods", labelSelector=_WORKERS)["items"])


def _settings(copy: Any, tracked: Any, *, real: bool) -> tuple[list[str], list[str]]:
    """Return settings to make and paths to remove; the user's own values stay."""
    assignments, removals = [], []
    for path, (value, _) in SETTINGS.items():
        here, there = _at(copy, path), _at(tracked, path)
        if real and here == there != value:
            assignments.append(f"serving.{path}={_text(value)}")
        elif not real and here == value != there:
            if there is None:
                removals.append(f"serving.{path}")
            else:
                assignments.append(f"serving.{path}={_text(there)}")
    return assignments, removals


def _at(settings: Any, path: str) -> object:
    *parents, last = path.split(".")
    for name in parents:
        settings = mapping(mapping(settings).get(name))
    return mapping(settings).get(last)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
