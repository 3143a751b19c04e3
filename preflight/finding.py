"""What a preflight finds, and the report of all that it found."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a finding means for `pulumi up`."""

    ERROR = "error"
    """It would fail, or wait for something that never comes."""
    WARNING = "warning"
    """It may; or something could not be looked at."""
    NOTE = "note"
    """It will do something that one should know."""


@dataclass(frozen=True)
class Finding:
    """One thing about the cluster that would make an `up` fail, or that the user should know."""

    check: str
    severity: Severity
    path: str
    """The setting that it is about, as `pulumi config set --path` takes it."""
    evidence: str
    outcome: str
    remedy: str

    def text(self) -> str:
        lines = {"found": self.evidence, "outcome": self.outcome, "change": self.remedy}
        text = (f"  {word + ':':<9}{_indented(text)}" for word, text in lines.items() if text)
        return "\n".join([f"{self.severity}: {self.check} ({self.path})", *text])


def error(check: str, path: str, evidence: str, outcome: str, remedy: str) -> Finding:
    """A finding about something that would make `pulumi up` fail."""
    return Finding(check, Severity.ERROR, path, evidence, outcome, remedy)


def warning(check: str, path: str, evidence: str, outcome: str, remedy: str) -> Finding:
    """A finding about something that may make `pulumi up` fail."""
    return Finding(check, Severity.WARNING, path, evidence, outcome, remedy)


def note(check: str, path: str, evidence: str, outcome: str, remedy: str) -> Finding:
    """A finding that the user should know."""
    return Finding(check, Severity.NOTE, path, evidence, outcome, remedy)


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 11)


@dataclass(frozen=True)
class Report:
    """All findings about one cluster, errors first."""

    cluster: str
    findings: Sequence[Finding] = ()
    uid: str | None = None
    """UID of its namespace kube-system; None: unknown."""
    unreachable: str = ""
    """Why the cluster could not be looked at; empty: it could."""

    def of(self, severity: Severity) -> list[Finding]:
        return [each for each in self.findings if each.severity is severity]

    @property
    def passed(self) -> bool:
        return not self.unreachable and not self.of(Severity.ERROR)

    def summary(self) -> str:
        if self.unreachable:
            return f"preflight: {self.cluster} is not looked at: {self.unreachable}"
        counts = [
            f"{len(found)} {severity}{'s' if len(found) > 1 else ''}"
            for severity in Severity
            if (found := self.of(severity))
        ]
        if self.passed and not self.of(Severity.WARNING):
            counts.insert(0, "nothing in the way")
        return f"preflight of {self.cluster}: {', '.join(counts)}"

    def text(self) -> str:
        text = (f"{number}. {each.text()}" for number, each in enumerate(self.findings, 1))
        return "\n\n".join([self.summary(), *text])

    def document(self) -> str:
        content = {"passed": self.passed, **asdict(self), "findings": [asdict(each) for each in self.findings]}
        return json.dumps(content, indent=2)


def some(things: Sequence[object], most: int = 6) -> str:
    """Things in words; of many the first ones."""
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(map(str, things[:most])) + more


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Errors first, then in the order in which they were found, each once."""
    rank = list(Severity)
    return sorted(dict.fromkeys(findings), key=lambda each: rank.index(each.severity))
