"""Cluster descriptions as files: found by name or path, and read with all problems reported at once.

Those of `sandbox/clusters/` have names: `CLUSTER=aws-efa` is `aws-efa.yaml` there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sandbox.cluster.description import Description, Metadata, NodeGroup, Policy, Taint
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home

SHIPPED = CHECKOUT / "sandbox" / "clusters"
"""The folder of the descriptions that have names."""

DEFAULT = "default"
"""The description that holds when none is chosen: two 8-GPU nodes of the stack's accelerator."""

_PARTS: dict[str, type[BaseModel]] = {
    "nodes": NodeGroup,
    "taints": Taint,
    "admissionPolicies": Policy,
    "metadata": Metadata,
}


def find(chosen: str) -> Path:
    """Return the file of a description: a name, or a path with a `/` or a suffix.

    Raises `SandboxError` where there is none.
    """
    if "/" in chosen or chosen.endswith((".yaml", ".yml")):
        file = Path(chosen).expanduser().resolve()
        if not file.is_file():
            raise SandboxError(f"CLUSTER={chosen}: there is no file {file}")
        return file
    file = SHIPPED / f"{chosen}.yaml"
    if chosen not in names():
        near = get_close_matches(chosen, names(), n=1)
        meant = f"Did you mean CLUSTER={near[0]}? " if near else ""
        raise SandboxError(
            f"CLUSTER={chosen}: there is no description of that name. {meant}Names: {', '.join(names())}; "
            "a file of your own is given with its suffix, such as CLUSTER=my-cluster.yaml"
        )
    return file


@dataclass(frozen=True)
class Choice:
    """The description that a command works with."""

    name: str
    """Name, or path of the file."""
    description: Description
    given: bool = False
    """Whether this command named it."""
    said: bool = False
    """Whether this command or an earlier one named it; otherwise it is the default."""

    @property
    def label(self) -> str:
        """The name as the value of a label."""
        return re.sub(r"[^A-Za-z0-9-]+", "-", Path(self.name).stem)[:63].strip("-") or "file"


def choose(home: Home, given: str | None) -> Choice:
    """Return the description given to this command, else the one that the sandbox remembers, else the default.

    Raises `SandboxError` where it is missing or wrong.
    """
    remembered = home.description.read_text() if home.description.exists() else None
    try:
        file = find(given or remembered or DEFAULT)
    except SandboxError as error:
        if given:
            raise
        raise SandboxError(
            f"the sandbox {home.name!r} remembers a description that is gone. {error}\n"
            f"Choose another with CLUSTER=…; CLUSTER={DEFAULT} is the default"
        ) from None
    name = file.stem if file.parent == SHIPPED else str(file)
    return Choice(name, read(file), given=bool(given), said=bool(given or remembered))


def remember(home: Home, choice: Choice) -> None:
    """Let later commands on this sandbox work with a description that a command named."""
    if choice.said:
        home.description.write_text(choice.name)


def default() -> Choice:
    """The description that holds when none is chosen."""
    return Choice(DEFAULT, read(find(DEFAULT)))


def names() -> list[str]:
    """The names of the descriptions that are shipped."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def read(file: Path) -> Description:
    """Read a description. Raises `SandboxError` with every problem at once: what is wrong, where, what to change."""
    try:
        document = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SandboxError(f"the cluster description {file} isn't YAML: {error}") from None
    try:
        return Description.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [_problem(detail, document) for detail in details if not _follows(detail, details)]
    many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    text = "\n\n".join(f"{number}. {problem}" for number, problem in enumerate(problems, 1))
    raise SandboxError(f"the cluster description {file} cannot be used: {many}. Nothing was started.\n\n{text}")


def _follows(detail: ErrorDetails, others: Sequence[ErrorDetails]) -> bool:
    """Whether a list counts as too short only because its items are wrong."""
    within = [each for each in others if each["loc"][:-1] and each["loc"][: len(detail["loc"])] == detail["loc"]]
    return detail["type"] == "too_short" and len(within) > 1


def _problem(detail: ErrorDetails, document: object) -> str:
    steps = [step for step in detail["loc"] if step != "[key]"]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    known = _fields(steps[:-1])
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(str(steps[-1]), known, n=1)
        wrong = f"is not a setting; did you mean {near[0]}?" if near else "is not a setting"
        return _said(path, wrong, f"rename or delete it; settings here: {', '.join(known)}")
    if detail["type"] == "missing":
        return _said(path, "is missing", f"write {_what(steps)}")
    if not steps and not isinstance(document, dict):
        return _said("the file", "is not a mapping", "begin with `nodes:` and a list of node groups")
    message = detail["msg"].removeprefix("Value error, ")
    value = "" if isinstance(detail["input"], dict | list) else f" = {detail['input']!r}"
    if detail["type"] == "value_error":
        return _said(path or "nodes", message, "give each node group a name of its own, beside `count:`")
    if detail["type"] == "string_pattern_mismatch":
        message = "has characters that Kubernetes does not take here"
    return _said(f"{path}{value}", message, f"write {_what(steps)}")


def _said(where: str, wrong: str, change: str) -> str:
    return f"{where}\n  wrong:   {wrong}\n  change:  {change}"


def _model(steps: Sequence[int | str]) -> type[BaseModel] | None:
    """The model that a path leads to; None for a plain value."""
    model: type[BaseModel] | None = Description
    for step in steps:
        if isinstance(step, str):
            model = _PARTS.get(step)
    return model


def _fields(steps: Sequence[int | str]) -> list[str]:
    model = _model(steps)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _what(steps: Sequence[int | str]) -> str:
    """What belongs at a path: the text of the innermost field that has one."""
    for end in range(len(steps), 0, -1):
        model, step = _model(steps[: end - 1]), steps[end - 1]
        for name, field in model.model_fields.items() if model else ():
            if step in (name, field.alias):
                options = cast("tuple[str, ...]", getattr(field.annotation, "__args__", ()))
                return field.description or f"one of {', '.join(map(str, options))}"
    return "a mapping"


def of_infrastructure(serving: Mapping[str, Any]) -> str | None:
    """Return the name of the description that the infrastructure of a stack has; None where it has none."""
    infrastructure = serving.get("infrastructure")
    return infrastructure if isinstance(infrastructure, str) and infrastructure in names() else None
