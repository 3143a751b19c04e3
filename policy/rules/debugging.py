"""Pods that reach into their node."""

from collections.abc import Iterator

from policy.rule import Object, Stack, StackRule, Violation
from policy.workloads import pods

SHARED = ("hostNetwork", "hostPID", "hostIPC")


def _check(subject: Object, stack: Stack) -> Iterator[Violation]:
    if stack.outputs.get("hostNetwork") is True:
        return
    said = "set serving.hostNetwork: true if this stack is for debugging; otherwise take it off"
    for each in pods(subject):
        for key in SHARED:
            if each.spec.get(key):
                yield Violation(f"{each.place}.{key}", "true, and the stack is no debugging one", said)
        for container in each.containers():
            if (container.spec.get("securityContext") or {}).get("privileged"):
                place = f"{container.place}.securityContext.privileged"
                yield Violation(place, "true, and the stack is no debugging one", said)


RULE = StackRule(
    name="debugging-only-where-said",
    must="Only a stack with output `hostNetwork` true has pods that are privileged or share their node's "
    "network, processes or IPC.",
    outcome="whoever breaks into the container has the node, with all its GPUs and the traffic of its other pods",
    check=_check,
)
