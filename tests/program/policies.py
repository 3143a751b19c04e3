"""Violations that the policy pack finds in the objects of a run."""

from policy.rule import ObjectRule, Stack
from policy.rules import RULES
from tests.recorder import Recorder, plain


def violations(recorder: Recorder) -> list[str]:
    """Every violation of every rule, as a person would read it."""
    objects = {each.urn: plain(each.inputs) for each in recorder.declared.values() if each.is_object}
    stack = Stack(objects, recorder.stack_outputs)
    return [
        f"{rule.name}\n{rule.text(found, subject)}"
        for rule in RULES
        for subject in objects.values()
        for found in (rule.check(subject) if isinstance(rule, ObjectRule) else rule.check(subject, stack))
    ]
