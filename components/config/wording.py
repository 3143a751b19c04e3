"""Turns pydantic's errors into problems: config path, value, what is wrong, the outcome, the change."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from components.config.problem import Hidden, Problem
from components.config.vocabulary import Accelerator

_FIRST, *_OTHERS = Accelerator
EXAMPLES = {
    "serving.accelerator": f"`pulumi config set --path serving.accelerator {_FIRST}` (or {', '.join(_OTHERS)})",
    "serving.model": "`pulumi config set --path serving.model.name <Hugging Face id>`",
    "serving.model.name": "`pulumi config set --path serving.model.name <Hugging Face id>`",
}
NEEDED = {
    "int": "a whole number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "dict": "an object",
    "model_attributes": "an object",
    "model": "an object",
}
OUTCOME_OF_TYPE = "the program would deploy something else than what is written, or Kubernetes refuse it half-way"


def as_problem(detail: ErrorDetails, raw: Mapping[str, Any], settings: type[BaseModel]) -> Problem:
    """One error of pydantic, as a problem of the stack file `raw` that `settings` was to be read from."""
    parts, value = _place(detail, raw)
    path = path_of(parts)
    if "env" in parts or detail["type"] == "extra_forbidden":
        value = Hidden()  # people put tokens into variables, and under keys of their own
    wrong, outcome, change = _words(detail, path, _keys_at(settings, parts[:-1]))
    return Problem(path, value, wrong, outcome, change)


def path_of(parts: Iterable[str | int]) -> str:
    """A path below `serving` in the syntax of `pulumi config set --path`."""
    text = "serving"
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("-", "").replace("_", "").isalnum():
            text += f".{part}"
        else:
            text += f'["{part}"]'
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or nothing when nothing is near."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def _place(detail: ErrorDetails, at: Any) -> tuple[list[str | int], Any]:
    """Where in the stack file an error is, without the steps that are pydantic's own (unions, `[key]`)."""
    parts: list[str | int] = []
    for part in detail["loc"]:
        if _holds(at, part):
            at = at[part]
            parts.append(part)
    if detail["type"] == "missing":
        return [*parts, detail["loc"][-1]], Hidden()
    return parts, at


def _holds(at: Any, part: str | int) -> bool:
    return (isinstance(at, dict) and part in at) or (isinstance(at, list) and part in range(len(at)))


def _words(detail: ErrorDetails, path: str, keys: list[str]) -> tuple[str, str, str]:
    kind = detail["type"]
    context = detail.get("ctx", {})
    given = detail["input"]
    if kind == "refused":  # raised by fields.wrong
        return context["what"], context["outcome"], context["change"]
    if kind == "missing":
        return (
            "is required and absent",
            "nothing can be deployed without it, and no default would be right",
            EXAMPLES.get(path, f"`pulumi config set --path {path} …`"),
        )
    if kind == "extra_forbidden":
        return (
            "is not a setting" + nearest(str(detail["loc"][-1]), keys),
            "it would be ignored, and the default be deployed",
            f"rename or delete it; settings here: {', '.join(keys)}",
        )
    if kind in {"enum", "literal_error"}:
        legal = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        hint = nearest(given, legal) if isinstance(given, str) else ""
        return (
            f"is none of {', '.join(legal)}{hint}",
            "there is nothing to deploy for it",
            "write one of them",
        )
    if kind in {"greater_than_equal", "less_than_equal"}:
        side, most, bound = ("below", "least", context["ge"]) if "ge" in context else ("above", "most", context["le"])
        return f"is {side} {bound}", "Kubernetes or vLLM would refuse it", f"give at {most} {bound}"
    if kind == "string_pattern_mismatch":
        return (
            f"does not have the form {context['pattern']}",
            "Kubernetes or vLLM would refuse it, or look for something that cannot exist",
            "write it in that form",
        )
    stem = kind.removesuffix("_type").removesuffix("_from_float").removesuffix("_parsing")
    needed = NEEDED.get(stem, detail["msg"])
    return f"is {_kind(given)}, {needed} is needed", OUTCOME_OF_TYPE, _without_quotes(given, stem, path, needed)


def _without_quotes(given: Any, stem: str, path: str, needed: str) -> str:
    if isinstance(given, str) and (
        (stem == "int" and given.strip("-").isdigit()) or (stem == "bool" and given in ("true", "false"))
    ):
        # Over text the CLI writes text, whatever --type says (Pulumi 3.259).
        return (
            f"write it without quotes, or `pulumi config rm --path {path}` and then "
            f"`pulumi config set --path {path} {given}`"
        )
    if stem == "string" and isinstance(given, (int, float)):
        return f"write it in quotes, or `pulumi config set --path --type string {path} {given}`"
    if needed == "an object":
        return f"write an object: `pulumi config rm --path {path}`, then set the keys within it"
    return f"write {needed}"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a whole number", float: "a fraction", str: "text", list: "a list"}
    return names.get(type(value), "an object")


def _keys_at(settings: type[BaseModel], parts: Iterable[str | int]) -> list[str]:
    """The keys that the settings know at a place."""
    at: type[BaseModel] | None = settings
    inner: list[Any] = []
    for part in parts:
        if at is None:
            return []
        if isinstance(part, int) or (inner and get_origin(inner[0]) is dict):
            inner = []
            continue  # an item of the list or map that the key before it holds
        inner = [field.annotation for field in at.model_fields.values() if field.alias == part]
        at = next((model for annotation in inner for model in _models(annotation)), None)
    return [str(field.alias) for field in at.model_fields.values()] if at else []


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]
