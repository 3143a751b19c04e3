"""`python -m preflight --stack <stack>`: check the live cluster and report what would make an `up` fail."""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

import preflight
from components import kubernetes_provider, plan
from components.config.problem import distinct
from components.config.reading import settings_of
from components.plan import ServingPlan
from preflight import generations, release_change
from preflight.answers import Unreachable
from preflight.cluster import Cluster
from preflight.finding import Report
from preflight.state import State


def main(words: Sequence[str] | None = None) -> int:
    """Check and report; return 0 without an error, 1 with one, 2 when the stack can't be read."""
    parser = argparse.ArgumentParser(prog="python -m preflight", description=__doc__)
    parser.add_argument("--stack", required=True, help="a stack of this folder's Pulumi project")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a screen")
    arguments = parser.parse_args(words)
    try:
        report = asyncio.run(_looked(arguments.stack))
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    print(report.document() if arguments.json else report.text())
    return int(not report.passed)


async def _looked(name: str) -> Report:
    """In an event loop, because a plan's token is a Pulumi output."""
    config = _config(name)
    settings, problems = settings_of(config.serving)
    problems += plan.check(settings, token_given=config.token is not None)
    if problems:
        text = "\n\n".join(problem.text() for problem in distinct(problems))
        raise StackError(f"Pulumi.{name}.yaml cannot be deployed:\n\n{text}")
    serving: ServingPlan = plan.resolve(settings, config.token)
    known = _state(name)
    for note in release_change.notes(serving, known):
        print(note, file=sys.stderr)
    if refused := list(generations.problems(serving, known)):
        text = "\n\n".join(problem.text() for problem in refused)
        raise StackError(f"Pulumi.{name}.yaml cannot be deployed:\n\n{text}")
    serving = generations.resolved(serving, known)
    target = kubernetes_provider.find(serving.cluster)
    try:
        found = Cluster.connect(target.kubeconfig, target.context)
    except Unreachable as error:
        return Report(str(target), unreachable=str(error))
    return preflight.run(serving, found, known)


class StackError(Exception):
    """The stack cannot be read: what is wrong and what to change, for the person at the terminal."""


@dataclass(frozen=True)
class Config:
    """The keys of this program in a stack file."""

    serving: Any
    token: pulumi.Output[str] | None
    """Stands for the Hugging Face token, if one is configured; its value is not read."""


def _config(stack: str) -> Config:
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


def _state(stack: str) -> State:
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


if __name__ == "__main__":
    sys.exit(main())
