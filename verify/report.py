"""The report of a verification: text for a person, JSON for a program."""

import json
import shutil
import textwrap
from dataclasses import asdict
from typing import Any

from verify.finding import Finding, Outcome
from verify.legs import Trial
from verify.steps import Verification

_INDENT = " " * 28


def line(finding: Finding) -> str:
    """Format a step: its outcome and evidence; unless all is well, its meaning and what to change."""
    text = _wrapped(f"{finding.outcome:<12}{finding.step:<16}", finding.evidence)
    if finding.meaning:
        text += "\n" + _wrapped(f"{_INDENT}means:  ", finding.meaning)
    if finding.remedy:
        text += "\n" + _wrapped(f"{_INDENT}change: ", finding.remedy)
    return text


def requests(trials: list[Trial]) -> str:
    """Format each request's path and times, and the last answer."""
    text = []
    for number, trial in enumerate(trials, 1):
        answer = trial.answer
        times = f"first token {answer.first_token * 1000:.0f} ms, all {answer.tokens or '?'} tokens "
        text.append(_wrapped(f"request {number}: ", f"{trial.path}; {times}{answer.total * 1000:.0f} ms"))
    answered = [trial.answer for trial in trials if trial.answer.status == 200]
    if answered:
        text.append(f"answer: {' '.join(answered[-1].text.split())[:200]!r}")
    return "\n".join(text)


def verdict(done: Verification) -> str:
    """Format the summary line."""
    counts = {outcome: sum(1 for one in done.findings if one.outcome is outcome) for outcome in Outcome}
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    return f"{'NOT verified' if done.failed else 'Verified'}: {outcomes}"


def document(done: Verification, **more: object) -> str:
    """Format everything as JSON: `ok`, `steps` and `requests`, and what else is given."""
    content: dict[str, Any] = {
        "ok": not done.failed,
        "stack": done.outputs.stack,
        "server": done.cluster.server,
        "steps": [asdict(finding) for finding in done.findings],
        "requests": [asdict(trial) for trial in done.trials],
        **more,
    }
    return json.dumps(content, indent=2)


def _wrapped(start: str, text: str) -> str:
    width = max(60, shutil.get_terminal_size((120, 40)).columns)
    hanging = " " * len(start)
    return textwrap.fill(
        text, width, initial_indent=start, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )
