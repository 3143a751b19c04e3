"""No credential in an environment variable or an argument."""

import re
from collections.abc import Iterator

from policy.rule import Object, ObjectRule, Violation
from policy.workloads import Container, pods

NAMES = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)(?:_VALUE)?$", re.IGNORECASE
)
"""Names of variables with a secret value. TOKENIZERS_PARALLELISM and AWS_WEB_IDENTITY_TOKEN_FILE do not match."""

VALUES = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20}|sk-[A-Za-z0-9_-]{20}|gh[pousr]_[A-Za-z0-9]{20}|github_pat_|AKIA[0-9A-Z]{16}"
    r"|eyJ[\w-]+\.eyJ[\w-]+)|-----BEGIN [A-Z ]*PRIVATE KEY"
)
"""Beginnings of tokens of Hugging Face, OpenAI, GitHub and AWS, of JSON web tokens, and of private keys."""


def _check(subject: Object) -> Iterator[Violation]:
    for each in pods(subject):
        for container in each.containers():
            yield from _variables(container)
            for key in ("command", "args"):
                if any(VALUES.search(str(word)) for word in container.spec.get(key) or []):
                    yield Violation(f"{container.place}.{key}", "holds a credential", _change("an argument"))


def _variables(container: Container) -> Iterator[Violation]:
    for variable in container.spec.get("env") or []:
        value = str(variable.get("value") or "")
        if value and (NAMES.search(variable["name"]) or VALUES.search(value)):
            place = f"{container.place}.env[{variable['name']}].value"
            yield Violation(place, "is a secret, by its name or its value", _change("a value"))


def _change(instead: str) -> str:
    return (
        f"put it into a Secret and refer to that (valueFrom.secretKeyRef), not {instead}; the Hugging Face token is "
        "`pulumi config set --secret hfToken`; in serving.prefill.env and serving.decode.env it is "
        "`NAME: {secret: name, key: key}`"
    )


RULE = ObjectRule(
    name="no-secret-in-plain-sight",
    must="No environment variable and no argument holds a secret; variables refer to a Secret.",
    outcome="everybody who may list pods, and everybody who reads the diff or the state, would have it",
    check=_check,
)
