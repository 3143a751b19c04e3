"""A stack's settings and state for the command, read with the Pulumi CLI."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

import pulumi

from preflight.state import State


class StackError(Exception):
    """The stack cannot be read: what is wrong and what to change, for the person at the terminal."""


@dataclass(frozen=True)
class Config:
    """The keys of this program in a stack file."""

    serving: Any
    token: pulumi.Output[str] | None
    """Stands for the Hugging Face token, if one is configured; its value is not read."""


def config(stack: str) -> Config:
    """The stack's configuration, nothing decrypted. Raises `StackError`."""
    keys = json.loads(_pulumi("config", "--json", "--stack", stack))
    serving = keys.get("llm-d-pd:serving", {})
    given = "llm-d-pd:hfToken" in keys
    text = serving.get("value", "{}")
    try:
        raw = json.loads(text)
    except ValueError:
        raw = text
    return Config(raw, pulumi.Output.from_input("a token") if given else None)


def state(stack: str) -> State:
    """The stack's state; unknown where it cannot be read."""
    try:
        deployment = json.loads(_pulumi("stack", "export", "--stack", stack)).get("deployment") or {}
    except (StackError, ValueError):
        return State()
    return State.of((each["type"], each.get("outputs")) for each in deployment.get("resources") or [])


def _pulumi(*words: str) -> str:
    if shutil.which("pulumi") is None:
        raise StackError(
            "the Pulumi CLI isn't on PATH, so the stack's settings can't be read: install it "
            "(https://www.pulumi.com/docs/iac/download-install/), or look at a sandbox with `make preflight`"
        )
    command = ["pulumi", *words, "--non-interactive"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        complaint = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise StackError(
            f"`{' '.join(command)}` failed. Pulumi says:\n  {complaint}\n"
            "`pulumi stack ls` names the stacks of this folder's project; `pulumi login` chooses where they are kept"
        )
    return done.stdout
