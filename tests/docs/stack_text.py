"""Reads the text of a stack file as the CLI does, which passes settings and secrets to the program."""

import json
from typing import Any

import jsonschema
import pulumi
import yaml

from components import config, plan
from components.config import Problem
from components.config.schema import stack_schema
from tests.recorder import record

SCHEMA = jsonschema.Draft202012Validator(stack_schema())
"""Says of a stack file what an editor says."""


def problems_in(text: str) -> list[Problem]:
    """Everything the program says against a stack file; it declares nothing."""
    given, secrets = _configuration(yaml.safe_load(text))
    found: list[Problem] = []

    def read() -> None:
        draft = config.read(pulumi.Config("llm-d-pd"))
        found.extend(draft.problems)
        found.extend(plan.check(draft.settings, token_given=draft.token is not None))

    record(read, config=given, secrets=secrets)
    return found


def _configuration(document: dict[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Values as the engine hands them over: objects as JSON, and decrypted, with the keys that held anything secret."""
    values: dict[str, str] = {}
    secrets: list[str] = []
    for key, value in (document.get("config") or {}).items():
        plain = _decrypted(value)
        values[key] = plain if isinstance(plain, str) else json.dumps(plain)
        if plain != value:
            secrets.append(key)
    return values, tuple(secrets)


def _decrypted(value: Any) -> Any:
    if isinstance(value, dict):
        return value["secure"] if set(value) == {"secure"} else {key: _decrypted(each) for key, each in value.items()}
    return [_decrypted(each) for each in value] if isinstance(value, list) else value
