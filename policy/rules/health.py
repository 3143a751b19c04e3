"""Pods that say how they are."""

from collections.abc import Iterator

from policy.rule import Object, ObjectRule, Violation
from policy.workloads import ENDLESS, pods

REQUIRED = ("livenessProbe", "readinessProbe")


def _probes(subject: Object) -> Iterator[Violation]:
    if subject.get("kind") not in ENDLESS:
        return  # what ends by itself is done when it ends
    for each in pods(subject):
        for container in each.containers("containers"):
            for probe in REQUIRED:
                if not container.spec.get(probe):
                    yield Violation(
                        f"{container.place}.{probe}", "is not there", "add one where components/pods declares it"
                    )


def _last_words(subject: Object) -> Iterator[Violation]:
    for each in pods(subject):
        for container in each.containers():
            policy = container.spec.get("terminationMessagePolicy") or "File"
            if policy != "FallbackToLogsOnError":
                yield Violation(
                    f"{container.place}.terminationMessagePolicy",
                    f"is {policy}",
                    "set FallbackToLogsOnError where components/pods declares the container",
                )


PROBES = ObjectRule(
    name="probes",
    must="Every container that serves has a readiness and a liveness probe (sidecars stand behind those of their pod).",
    outcome="requests would go to pods that cannot answer, and one that hangs would never restart",
    check=_probes,
)

LAST_WORDS = ObjectRule(
    name="termination-message",
    must="Every container's termination message falls back to its log.",
    outcome="a worker that dies of its flags or of memory would leave `exit code 1` in the pod's status and no reason",
    check=_last_words,
)
