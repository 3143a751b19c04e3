"""What a step of the verification found."""

from dataclasses import dataclass
from enum import StrEnum


class VerifyError(Exception):
    """Nothing can be verified: what is wrong and what to change, for the person at the terminal."""


class Unreachable(Exception):
    """Something could not be asked: why, and the right or firewall rule that is missing."""

    def __init__(self, why: str, remedy: str, *, missing: bool = False) -> None:
        super().__init__(why)
        self.remedy = remedy
        self.missing = missing
        """It isn't there, rather than hidden from us."""


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    UNSEEN = "not visible"
    """It could not be looked at; that is no proof of anything."""


@dataclass(frozen=True)
class Finding:
    """One step: what was seen and, unless that is good, what it means and what to change."""

    step: str
    outcome: Outcome
    evidence: str
    meaning: str = ""
    remedy: str = ""


def ok(step: str, evidence: str) -> Finding:
    """Return that all is well."""
    return Finding(step, Outcome.OK, evidence)


def warning(step: str, evidence: str, meaning: str, remedy: str) -> Finding:
    """Return that it works, but not as it should."""
    return Finding(step, Outcome.WARNING, evidence, meaning, remedy)


def failed(step: str, evidence: str, meaning: str, remedy: str) -> Finding:
    """Return that it doesn't work."""
    return Finding(step, Outcome.FAILED, evidence, meaning, remedy)


def absent(step: str, error: Unreachable, meaning: str) -> Finding:
    """Return that an object that must be there isn't, which has that meaning, or that nobody lets us look."""
    return failed(step, str(error), meaning if error.missing else "it can't be verified", error.remedy)


def unseen(step: str, evidence: str, remedy: str = "") -> Finding:
    """Return that this could not be looked at."""
    return Finding(step, Outcome.UNSEEN, evidence, remedy=remedy)
