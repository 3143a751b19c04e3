"""Runs the real EPP and routing sidecar of each release for a moment, without a cluster."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from sandbox.progress import Progress
from sandbox.toolchain import provide

PICKERS = {"0.4": "epp-v0.4.0", "0.6": "epp-v0.7.1"}
SIDECARS = {"0.4": "pd-sidecar-v0.4.0", "0.6": "pd-sidecar-v0.7.1"}
FLAGS = ("--pool-name=check", "--pool-namespace=default", "--zap-encoder=json", "--tracing=false")

NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: nowhere, context: {cluster: nowhere}}]
current-context: nowhere
"""
"""A kubeconfig; the picker reads and makes everything before it needs the API server."""

LOADED = "loaded configuration from file/text successfully"
HARMLESS = "No deciders.encode configured, E disaggregation disabled"
"""Said of every right configuration: there is no encoder tier."""


@dataclass(frozen=True)
class Verdict:
    """What a picker made of a configuration: whether it took it, why not, and what it remarked."""

    accepted: bool
    reason: str
    warnings: tuple[str, ...]


@cache
def program(name: str) -> str:
    """Where a program is."""
    return str(provide([name], Progress())[name])


def judge(release: str, document: str, folder: Path, flags: tuple[str, ...] = FLAGS) -> Verdict:
    """Start the picker of a release with a configuration; it ends by itself, for want of an API server."""
    (folder / "kubeconfig").write_text(NOWHERE)
    config = folder / "config.yaml"
    config.write_text(document)
    done = subprocess.run(
        [program(PICKERS[release]), *flags, f"--config-file={config}"],
        env=_environment({"KUBECONFIG": str(folder / "kubeconfig")}),
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("{")]
    records = [json.loads(line) for line in lines]
    said = [str(each.get("msg", "")) for each in records]
    doubts = {text for text in said if "disabled" in text or "eprecated" in text} - {HARMLESS}
    reasons = [str(each.get("error", "")) for each in records if "parse configuration" in str(each.get("msg", ""))]
    accepted = any(LOADED in text for text in said)
    reason = "" if accepted else (reasons or [f"ended with {done.returncode}: {(done.stdout + done.stderr)[-400:]}"])[0]
    return Verdict(accepted, reason, tuple(sorted(doubts)))


@contextmanager
def sidecar(
    release: str, arguments: list[str], variables: Mapping[str, str] = MappingProxyType({})
) -> Iterator["subprocess.Popen[str]"]:
    """The routing sidecar of a release with these arguments and environment variables."""
    process = subprocess.Popen(
        [program(SIDECARS[release]), *arguments],
        env=_environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(holds: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """No variables of the person who runs the tests; their names decide flags in some programs."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **more}
