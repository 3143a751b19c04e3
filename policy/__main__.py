"""Run by Pulumi: `pulumi preview --policy-pack policy`. Every rule becomes a mandatory policy."""

# ruff: noqa: E402
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Pulumi starts this folder; its modules are the checkout's `policy.…`, and must not hide modules of the same name.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import pulumi_policy as sdk

from policy.rule import ObjectRule, Rule, Stack, StackRule
from policy.rules import RULES

STACK = "pulumi:pulumi:Stack"
OBJECT = "kubernetes:"


def policy_of(rule: Rule) -> sdk.ResourceValidationPolicy | sdk.StackValidationPolicy:
    """A rule as the SDK wants it."""
    if isinstance(rule, StackRule):
        return sdk.StackValidationPolicy(rule.name, rule.must, _stack(rule), sdk.EnforcementLevel.MANDATORY)
    return sdk.ResourceValidationPolicy(rule.name, rule.must, _object(rule), sdk.EnforcementLevel.MANDATORY)


def _object(rule: ObjectRule) -> Callable[[sdk.ResourceValidationArgs, sdk.ReportViolation], None]:
    def validate(args: sdk.ResourceValidationArgs, report: sdk.ReportViolation) -> None:
        if args.resource_type.startswith(OBJECT):
            for found in rule.check(args.props):
                report(rule.text(found, args.props), None)

    return validate


def _stack(rule: StackRule) -> Callable[[sdk.StackValidationArgs, sdk.ReportViolation], None]:
    def validate(args: sdk.StackValidationArgs, report: sdk.ReportViolation) -> None:
        objects = {each.urn: each.props for each in args.resources if each.resource_type.startswith(OBJECT)}
        outputs: Mapping[str, Any] = next((each.props for each in args.resources if each.resource_type == STACK), {})
        for urn, subject in objects.items():
            for found in rule.check(subject, Stack(objects, outputs)):
                report(rule.text(found, subject), urn)

    return validate


sdk.PolicyPack("llm-d-pd", [policy_of(rule) for rule in RULES])
