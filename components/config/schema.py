"""Writes what editors and people read about the settings, from the model: `python -m components.config.schema`.

`docs/stack.schema.json` is the JSON schema of a whole stack file (the first line of each names it), and
`docs/settings.md` the table of every setting. With `--check` nothing is written; stale files are named, exit code 1.
"""

import ast
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from components.config.generated import DOCS, filled, written
from components.config.settings import Serving
from components.config.strict import Strict

Schema = Mapping[str, Any]

SECURE = {
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}
"""An encrypted value, as `pulumi config set --secret` writes it."""

STACK_FILE_KEYS: Schema = {
    "environment": {
        "description": "Pulumi ESC: names of environments to merge below config, or one written here.",
        "anyOf": [{"type": "array", "items": {"type": ["string", "object"]}}, {"type": "object"}],
    },
    "encryptionsalt": {"description": "Written by Pulumi (passphrase secrets).", "type": "string"},
    "secretsprovider": {"description": "Where Pulumi encrypts this stack's secrets.", "type": "string"},
    "encryptedkey": {"description": "Written by Pulumi (cloud secrets provider).", "type": "string"},
}
"""What Pulumi itself keeps in a stack file beside `config` (Pulumi 3.259, `workspace.ProjectStack`)."""


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """pydantic's schema with attribute docstrings as descriptions."""
    objects = {**schema["$defs"], Serving.__name__: schema}
    models = _models_below(Strict)
    for model in models:
        texts = {name: text for one in reversed(model.__mro__) if one in models for name, text in _docs(one)}
        for name, field in model.model_fields.items() if model.__name__ in objects else ():
            objects[model.__name__]["properties"][field.alias]["description"] = texts[name]
    return schema


def _models_below(model: type[Strict]) -> list[type[Strict]]:
    return [each for below in model.__subclasses__() for each in (below, *_models_below(below))]


def _docs(model: type) -> Iterator[tuple[str, str]]:
    """Name and docstring of each attribute that a class itself declares."""
    [declared] = ast.parse(inspect.getsource(model)).body
    for statement, after in pairwise(declared.body):  # type: ignore[attr-defined]  # a class
        match statement, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


class _Untitled(GenerateJsonSchema):
    """Titles are for values that have a name of their own (quantity, label key), not for repeating the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def stack_schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a whole stack file."""
    for each in _models_below(Strict):
        each.model_rebuild()  # a default section is serialized by its own class
    serving = _closed(_described(Serving.model_json_schema(by_alias=True, schema_generator=_Untitled)))
    definitions = serving.pop("$defs")
    config = {
        "description": "Configuration of the stack.",
        "type": "object",
        "properties": {
            "llm-d-pd:serving": {"$ref": "#/$defs/Serving"},
            "llm-d-pd:hfToken": {"description": "Hugging Face token: `pulumi config set --secret hfToken`.", **SECURE},
        },
        "patternProperties": {"^llm-d-pd:(?!(serving|hfToken)$)": False, "^kubernetes:": False},
        "propertyNames": {"pattern": "^[^:]+:"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of llm-d-pd",
        "type": "object",
        "properties": {"config": config, **STACK_FILE_KEYS},
        "additionalProperties": False,
        "if": {"required": ["environment"]},  # an environment may hold the settings instead
        "else": {"required": ["config"], "properties": {"config": {"required": ["llm-d-pd:serving"]}}},
        "$defs": {**definitions, "Serving": serving},
    }


def settings_page() -> str:
    """The tables of every setting, in Markdown."""
    schema = stack_schema()
    definitions, serving = schema["$defs"], schema["$defs"]["Serving"]
    sections = [_section("serving", serving, definitions, deep=False)]
    for key, setting in serving["properties"].items():
        held = _object_within(setting, definitions)
        if held:
            sections.append(_section(f"serving.{key}", held, definitions, deep=True))
    return "".join(sections)


def pages() -> dict[Path, str]:
    """Every generated file and what belongs in it."""
    return {
        DOCS / "stack.schema.json": json.dumps(stack_schema(), indent=2, ensure_ascii=False) + "\n",
        DOCS / "settings.md": filled(DOCS / "settings.md", "components.config.schema", settings_page()),
    }


def _closed(schema: Any) -> Any:
    """pydantic's schema, with maps closed to keys that match no pattern, text on one line and each default once."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "patternProperties" in closed:
        closed["additionalProperties"] = False
    if isinstance(closed.get("default"), dict) and closed["default"]:
        del closed["default"]  # in a nested object of settings each key has a default
    if isinstance(closed.get("description"), str):
        closed["description"] = " ".join(closed["description"].split())
    return closed


def _section(path: str, schema: Schema, definitions: Schema, *, deep: bool) -> str:
    lines = [f"\n## {path}\n", schema["description"], "", "| setting | value | default | what it is |"]
    lines += ["|---|---|---|---|"]
    lines += [f"| {' | '.join(cells)} |" for cells in _rows(path, schema, definitions, deep=deep)]
    return "\n".join(lines) + "\n"


def _rows(path: str, schema: Schema, definitions: Schema, *, deep: bool) -> Iterator[tuple[str, str, str, str]]:
    required = schema.get("required", [])
    for key, setting in schema["properties"].items():
        at = f"{path}.{key}"
        held = _object_within(setting, definitions)
        default = "**required**" if key in required else _default(setting)
        name = f"`{at}`" if deep or held is None else f"[`{at}`](#{at.replace('.', '').lower()})"
        yield name, _value(setting, definitions), default, _what(setting, definitions)
        if deep and held:
            inside = at + {"array": "[]", "object": ".<name>"}.get(setting.get("type", ""), "")
            yield from _rows(inside, held, definitions, deep=True)


def _object_within(setting: Schema, definitions: Schema) -> Schema | None:
    """The object of settings that a setting is, may be, or is a list or map of."""
    if "$ref" in setting:
        target = definitions[setting["$ref"].rsplit("/", 1)[-1]]
        return target if "properties" in target else None
    inner = [*setting.get("anyOf", []), *setting.get("oneOf", []), *([setting["items"]] if "items" in setting else [])]
    inner += setting.get("patternProperties", {}).values()
    return next((found for each in inner if (found := _object_within(each, definitions))), None)


def _value(setting: Schema, definitions: Schema) -> str:
    """The type of a setting, or its legal words."""
    if "$ref" in setting:
        target = definitions[setting["$ref"].rsplit("/", 1)[-1]]
        return _words(target["enum"]) if "enum" in target else "object"
    if "title" in setting:
        return str(setting["title"])
    if "const" in setting:
        return _words([setting["const"]])
    if "enum" in setting:
        return _words(setting["enum"])
    if either := setting.get("anyOf") or setting.get("oneOf"):
        return " or ".join(_value(each, definitions) for each in either if each.get("type") != "null")
    kind = setting["type"]
    if kind == "array":
        item = _value(setting["items"], definitions)
        return f"list of {item}" if "`" in item else f"list of {item}s"
    if kind == "integer":
        if "minimum" not in setting:
            return "whole number"
        top = f" to {setting['maximum']}" if "maximum" in setting else " or more"
        return f"{setting['minimum']}{top}"
    if kind == "object":
        return "map" if "patternProperties" in setting else "object"
    return "`true` `false`" if kind == "boolean" else "text"


def _what(setting: Schema, definitions: Schema) -> str:
    """What a setting is; pydantic leaves it to the object's own description where both say the same."""
    text = setting.get("description") or definitions[setting["$ref"].rsplit("/", 1)[-1]]["description"]
    return str(text).replace("|", "\\|")


def _default(setting: Schema) -> str:
    if "default" not in setting:
        return "its keys'"
    default = setting["default"]
    if default is None:
        return "*unset*"
    if default in ([], {}):
        return "empty"
    return f"`{json.dumps(default) if isinstance(default, bool) else default}`"


def _words(words: list[Any]) -> str:
    return " ".join(f"`{word}`" for word in words)


def main(arguments: list[str]) -> int:
    """Write the generated files, or with `--check` name those that are stale; the exit code."""
    return written(pages(), "components.config.schema", check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
