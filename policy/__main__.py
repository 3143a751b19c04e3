"""Run by Pulumi: `pulumi preview --policy-pack policy`. Every rule becomes a mandatory policy."""

# ruff: noqa: E402
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Pulumi starts this folder; its modules are the checkout's `policy.…`, and must not hide modules of the same name.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.rule import ObjectRule, Rule, Stack, StackRule
from policy.rules import RULES

STACK = "pulumi:pulumi:Stack"
OBJECT = "kubernetes:"


def policy_of(rule: Rule) -> ResourceValidationPolicy | StackValidationPolicy:
    """A rule as the SDK wants it."""
    if isinstance(rule, StackRule):
        return StackValidationPolicy(rule.name, rule.must, _stack(rule), EnforcementLevel.MANDATORY)
    return ResourceValidationPolicy(rule.name, rule.must, _object(rule), EnforcementLevel.MANDATORY)


def _object(rule: ObjectRule) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type.startswith(OBJECT):
            for found in rule.check(args.props):
                report(rule.text(found, args.props), None)

    return validate


def _stack(rule: StackRule) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        objects = {each.urn: each.props for each in args.resources if each.resource_type.startswith(OBJECT)}
        outputs: Mapping[str, Any] = next((each.props for each in args.resources if each.resource_type == STACK), {})
        for urn, subject in objects.items():
            for found in rule.check(subject, Stack(objects, outputs)):
                report(rule.text(found, subject), urn)

    return validate


PolicyPack("llm-d-pd", [policy_of(rule) for rule in RULES])
