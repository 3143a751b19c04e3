"""Reads the stack's configuration into settings, and finds every problem of the file in one run."""

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from components.config.problem import Hidden, Problem
from components.config.settings import Serving
from components.config.vocabulary import Accelerator
from components.config.wording import as_problem, nearest

KEYS = ("serving", "hfToken")
"""All configuration keys of this program."""

STAND_INS: dict[tuple[str | int, ...], Any] = {
    ("accelerator",): next(iter(Accelerator)).value,
    ("model",): {"name": "model"},
    ("model", "name"): "model",
}
"""Values in place of absent required settings, while the rest of the file is checked."""


@dataclass(frozen=True)
class Draft:
    """The settings as far as they can be read, with every problem found on the way.

    A setting that is wrong counts as absent, so that the cross-checks still see all others. The settings may be
    deployed only if there are no problems. `token` is the Hugging Face token, if one is configured.
    """

    settings: Serving
    token: pulumi.Output[str] | None
    problems: list[Problem]


def read(config: pulumi.Config) -> Draft:
    """The stack's settings from Pulumi's configuration.

    Never raises for what a user wrote; `Draft.problems` holds it.
    """
    everything = CONFIG.get()
    prefix = f"{config.name}:"
    keys = {key.removeprefix(prefix): value for key, value in everything.items() if key.startswith(prefix)}
    secret = {key for key in keys if pulumi.runtime.is_config_secret(prefix + key)}
    problems = [*_foreign_keys(everything), *_unknown_keys(keys), *_token_problems(keys, secret)]
    if "serving" in secret:
        problems.append(
            Problem(
                "serving",
                Hidden(),
                "holds an encrypted value (secure:)",
                "it would be in plain text in every object and in the state: only whole keys stay secret",
                "take it out of serving; the one secret of this program is `pulumi config set --secret hfToken`",
            )
        )
    settings, found = settings_of(_parsed(keys.get("serving", "{}")), hide_values="serving" in secret)
    return Draft(settings, config.get_secret("hfToken"), problems + found)


def settings_of(raw: Any, *, hide_values: bool = False) -> tuple[Serving, list[Problem]]:
    """The settings in `raw` (the object below `serving`), without those that are wrong, and what is wrong.

    Wrong settings are removed and the rest read again until it can be read, so one call finds everything.
    """
    problems: dict[str, Problem] = {}
    if not isinstance(raw, dict):
        what = "is not an object", "there would be nothing to deploy", "write settings below `llm-d-pd:serving:`"
        problems["serving"] = Problem("serving", Hidden() if hide_values else raw, *what)
        raw = {key[0]: value for key, value in STAND_INS.items() if len(key) == 1}
    rest = copy.deepcopy(raw)
    while True:
        try:
            return Serving.model_validate(rest), list(problems.values())
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            problem = as_problem(detail, rest, Serving)
            if hide_values:
                problem = Problem(problem.path, Hidden(), problem.wrong, problem.outcome, problem.change)
            problems.setdefault(problem.path, problem)
        for detail in details:
            _repair(rest, detail)


def _repair(rest: dict[str, Any], detail: ErrorDetails) -> None:
    """Put the stand-in where something required is missing; otherwise remove what is wrong (with its whole list)."""
    at: Any = rest
    holder, key = rest, str(detail["loc"][0])
    for part in detail["loc"]:
        if isinstance(at, dict) and part in at:
            holder, key = at, str(part)
            at = at[part]
    if detail["loc"] in STAND_INS and detail["type"] == "missing":
        at[detail["loc"][-1]] = copy.deepcopy(STAND_INS[detail["loc"]])
    else:
        holder.pop(key, None)  # the optional parent of an absent required setting is removed


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _foreign_keys(keys: Iterable[str]) -> list[Problem]:
    """`kubernetes:*`: meant for the default provider, which this program does not use."""
    return [
        Problem(
            key,
            Hidden(),
            "configures the default Kubernetes provider, which this program does not use",
            "it would be ignored silently, and the stack deployed to another cluster than this key names",
            f"`pulumi config rm {key}`; the cluster is chosen by serving.cluster.context",
        )
        for key in keys
        if key.startswith("kubernetes:")
    ]


def _unknown_keys(keys: Iterable[str]) -> list[Problem]:
    known = [*KEYS, *(str(field.alias) for field in Serving.model_fields.values())]
    return [
        Problem(
            key,
            Hidden(),
            "is not a configuration key of this program" + nearest(key, known),
            "it would be ignored, and the default be deployed",
            f"`pulumi config rm {key}`; settings belong below serving: `pulumi config set --path serving.…`",
        )
        for key in keys
        if key not in KEYS
    ]


def _token_problems(keys: dict[str, Any], secret: set[str]) -> list[Problem]:
    if "hfToken" not in keys:
        return []
    if "hfToken" not in secret:
        what = (
            "is not encrypted",
            "the token would stand in clear in the stack file and in the state",
            "`pulumi config set --secret hfToken`, and revoke the token that was in the file",
        )
        return [Problem("hfToken", Hidden(), *what)]
    if not str(keys["hfToken"]).strip():
        what = (
            "is empty",
            "every download of the model would be refused",
            "`pulumi config set --secret hfToken`, or `pulumi config rm hfToken`",
        )
        return [Problem("hfToken", Hidden(), *what)]
    return []
