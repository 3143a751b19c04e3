"""Findings of the verification's steps."""

from dataclasses import dataclass
from enum import StrEnum


class VerifyError(Exception):
    """Nothing can be verified. The text says what is wrong and what to change."""


class Unreachable(Exception):
    """A request to the cluster failed: the reason, and the missing right or firewall rule."""

    def __init__(self, why: str, remedy: str, *, missing: bool = False) -> None:
        super().__init__(why)
        self.remedy = remedy
        self.missing = missing
        """The object does not exist (rather than: reading it is forbidden)."""


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    UNSEEN = "not visible"
    """The step could not look, which proves nothing."""


@dataclass(frozen=True)
class Finding:
    """One step: its evidence and, unless all is well, the meaning and what to change."""

    step: str
    outcome: Outcome
    evidence: str
    meaning: str = ""
    remedy: str = ""


def ok(step: str, evidence: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(step, Outcome.OK, evidence)


def warning(step: str, evidence: str, meaning: str, remedy: str) -> Finding:
    """Return a finding that something works, but not as it should."""
    return Finding(step, Outcome.WARNING, evidence, meaning, remedy)


def failed(step: str, evidence: str, meaning: str, remedy: str) -> Finding:
    """Return a finding that something does not work."""
    return Finding(step, Outcome.FAILED, evidence, meaning, remedy)


def absent(step: str, error: Unreachable, meaning: str) -> Finding:
    """Return a failure: a needed object is missing, with that meaning, or it can't be read."""
    return failed(step, str(error), meaning if error.missing else "it can't be verified", error.remedy)


def unseen(step: str, evidence: str, remedy: str = "") -> Finding:
    """Return a finding that the step could not look."""
    return Finding(step, Outcome.UNSEEN, evidence, remedy=remedy)
