"""Makes the choice of the model server for `up`, and provides its environment and settings."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, connect
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.modelserver import choice, environment
from sandbox.modelserver.choice import Vllm
from sandbox.modelserver.substitutions import SETTINGS
from sandbox.progress import Progress
from sandbox.stack_file import mapping, serving


@dataclass(frozen=True)
class Files:
    """A stack file of the checkout, and the sandbox's copy of it."""

    tracked: Path
    copy: Path


KINDS = ("simulator", "vllm")
_WORKERS = "llm-d.ai/role in (prefill,decode)"


def choose(
    home: Home, files: Files, report: Progress, kind: str | None, tensor_parallel: int | None
) -> tuple[list[str], list[str]]:
    """Choose the model server of the sandbox, or keep the last choice; provide its environment.

    Returns settings for the sandbox's copy of the stack file, as path=value, and paths to remove. Raises
    `SandboxError` for a stack or a machine that cannot run real vLLM.
    """
    before = choice.read(home.root)
    if kind is None:
        kind = "vllm" if before else "simulator"
    if tensor_parallel is not None and (kind != "vllm" or tensor_parallel < 1):
        raise SandboxError("MODEL_SERVER_TP is the tensor parallelism of real vLLM, 1 or more: set MODEL_SERVER=vllm")
    now = None
    if kind == "vllm":
        now = _vllm(home, files.copy, report, tensor_parallel or (before.tensor_parallel if before else 1))
    if now != before:
        choice.write(home.root, now)
        _replace_workers(home, report)
    return _settings(serving(files.copy), serving(files.tracked), real=now is not None)


def notes(root: Path) -> Iterator[str]:
    """Yield notes for the user about the choice, before a stack is deployed."""
    if real := choice.read(root):
        settings = ", ".join(f"serving.{path}={_text(value)}" for path, (value, _) in SETTINGS.items())
        yield (
            f"Model server: vLLM {choice.VERSION} with NIXL, real, on the CPU; tensor parallelism at most "
            f"{real.tensor_parallel}; {settings} unless the sandbox's copy of the stack file says otherwise."
        )


def _vllm(home: Home, file: Path, report: Progress, tensor_parallel: int) -> Vllm:
    release = str(serving(file).get("release", "0.6"))
    if release == "0.4":
        raise SandboxError(
            f'release "0.4" carries vLLM 0.11.2, and the real vLLM of the sandbox is {choice.VERSION}: use release '
            '"0.6", or MODEL_SERVER=simulator'
        )
    if not lifecycle.isolated(home):
        raise SandboxError("MODEL_SERVER=vllm needs pods that run, and this machine allows no namespaces")
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
            grace = {} if _ready(one) else {"gracePeriodSeconds": "0"}
            api.delete(f"/api/v1/namespaces/{one['metadata']['namespace']}/pods/{one['metadata']['name']}", **grace)
        if former:
            with report.step("replacing the workers"):
                while former.keys() & {one["metadata"]["uid"] for one in _workers(api)}:
                    time.sleep(0.2)


def _workers(api: Api) -> list[dict[str, Any]]:
    return list(api.get("/api/v1/pods", labelSelector=_WORKERS)["items"])


def _ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


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
