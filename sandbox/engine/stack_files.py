"""Stack files: read leniently, and copied into the view, the folder in which Pulumi runs.

No command ever writes into the checkout. The view's Pulumi.yaml is the tracked one with `main: <the checkout>`. The
view's stack file is a copy of the tracked one without values that are encrypted with another key. `pulumi config set`
in the shell edits the copy. When the tracked file changes, the sandbox makes a new copy and notes the dropped values.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox import release
from sandbox.errors import SandboxError

SERVING = "llm-d-pd:serving"
"""Key of the program's settings."""


def serving(stack_file: Path) -> Mapping[str, Any]:
    """Return `llm-d-pd:serving` of a stack file. Raises `SandboxError` for a file that isn't YAML."""
    try:
        document = yaml.load(stack_file.read_text(), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise SandboxError(f"{stack_file} isn't YAML: {error}") from None
    return mapping(mapping(mapping(document).get("config")).get(SERVING))


def accelerator(stack_file: Path) -> str:
    """Return `serving.accelerator`, "" if it is no text. Raises `SandboxError` for a file that isn't YAML."""
    chosen = serving(stack_file).get("accelerator")
    return chosen if isinstance(chosen, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping unchanged; an empty one for any other value."""
    return value if isinstance(value, Mapping) else {}


TOKEN = "llm-d-pd:hfToken"
"""The one secret of the program; optional, so Pulumi.yaml cannot declare it."""

PLACEHOLDER = "sandbox-placeholder"
"""Value of the token in the sandbox, which needs no real one."""

Encrypt = Callable[[str, str], None]
"""Stores (key, value) encrypted in the view's stack file: `pulumi config set --secret` in the view."""


@dataclass(frozen=True)
class View:
    """The view of one stack of one checkout, in `folder`."""

    folder: Path
    checkout: Path
    stack: str

    @property
    def stack_file(self) -> Path:
        """Copy of the stack file; `pulumi config set` edits it."""
        return self.folder / f"Pulumi.{self.stack}.yaml"

    @property
    def tracked_file(self) -> Path:
        """The checkout's stack file; it is never written."""
        return self.checkout / f"Pulumi.{self.stack}.yaml"

    @property
    def _record(self) -> Path:
        return self.folder / f".{self.stack}.copied.json"

    def require_tracked(self) -> None:
        """Raise SandboxError when the checkout has no file for the stack."""
        self._tracked_text()

    def project(self) -> dict[str, Any]:
        """The tracked Pulumi.yaml."""
        return _mapping(self.checkout / "Pulumi.yaml")

    def write_project(self, virtualenv: Path) -> None:
        """Write the view's Pulumi.yaml: the tracked one, pointed at the checkout and at an absolute `virtualenv`."""
        project = self.project()
        project["main"] = str(self.checkout / str(project.get("main", "")))
        runtime = project.get("runtime")
        if isinstance(runtime, str):
            runtime = {"name": runtime}
        project["runtime"] = {**(runtime or {}), "options": {**((runtime or {}).get("options") or {})}}
        project["runtime"]["options"]["virtualenv"] = str(virtualenv)
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / "Pulumi.yaml", _dump(project))

    def copy_stack(self, encrypt: Encrypt) -> list[str]:
        """Update the copy if the tracked stack file has changed; return notes for the user.

        If the tracked file names no release, the copy gets a release that the sandbox can run.
        `encrypt` is called once for each placeholder of which the sandbox has no encrypted value yet; the project and
        the stack must exist before. Raises SandboxError when there is no such stack file.
        """
        return [*self._copy(encrypt), *self._name_release()]

    def _copy(self, encrypt: Encrypt) -> list[str]:
        tracked = self._tracked_text()
        digest = hashlib.sha256(tracked.encode()).hexdigest()
        record = json.loads(self._record.read_text()) if self._record.is_file() else {}
        stack = _parse(tracked, self.tracked_file)
        secret_keys = _secret_keys(stack, self.project()["name"])
        unchanged = record.get("digest") == digest and sorted(record.get("placeholders", {})) == secret_keys
        if unchanged and self.stack_file.is_file():
            return self._own_values(record)

        before = _mapping(self.stack_file) if self.stack_file.is_file() else {}
        wanted, left_out = _without_foreign(stack, set(secret_keys))
        salt = before.get("encryptionsalt") or record.get("salt")
        placeholders = {key: value for key, value in record.get("placeholders", {}).items() if key in secret_keys}
        self._write_stack(wanted, salt, placeholders)
        for key in sorted(set(secret_keys) - set(placeholders)):
            encrypt(key, PLACEHOLDER)
        after = _mapping(self.stack_file)
        record_after = {
            "digest": digest,
            "salt": after.get("encryptionsalt"),
            "placeholders": {key: after["config"][key] for key in secret_keys},
            "config": after.get("config", {}),
        }
        _write(self._record, json.dumps(record_after))

        notes = [f"{self.tracked_file.name}: {path} is left out: {why}" for path, why in left_out]
        dropped = _edited(before.get("config") or {}, record.get("config") or {}, after.get("config") or {})
        if record and dropped:
            notes.append(
                f"{self.tracked_file.name} has changed, so the sandbox's copy was made anew and these values of "
                f"`pulumi config set` are gone: {', '.join(dropped)}"
            )
        return notes

    def _name_release(self) -> list[str]:
        """Write the substitute release into a copy without a release; return a note as long as the copy has it."""
        stack, record = _mapping(self.stack_file), json.loads(self._record.read_text())
        own, copied = (mapping(each.get("config")).get(SERVING) for each in (stack, record))
        if not isinstance(own, dict) or not isinstance(copied, dict) or "release" in serving(self.tracked_file):
            return []
        if "release" not in own and (substitute := release.substitute()):
            own["release"] = copied["release"] = substitute
            _write(self.stack_file, _dump(stack))
            _write(self._record, json.dumps(record))
        stands = "release" in copied and own.get("release") == copied["release"]
        return [release.note(self.tracked_file.name)] if stands else []

    def _own_values(self, record: dict[str, Any]) -> list[str]:
        """Return the values of `config set` that differ from the tracked file."""
        copied, now = (dict(_leaves(config, "")) for config in (record["config"], _mapping(self.stack_file)["config"]))
        own = sorted(path for path in copied.keys() | now.keys() if copied.get(path) != now.get(path))
        if not own:
            return []
        return [
            f"The sandbox's copy of {self.tracked_file.name} differs in {', '.join(own)} (`config set` or SET); "
            "`pulumi config rm --path …` in `make shell` takes that back, `make down PURGE=1` everything"
        ]

    def _write_stack(self, config: dict[str, Any], salt: str | None, placeholders: dict[str, Any]) -> None:
        stack = {"config": {**config, **placeholders}, **({"encryptionsalt": salt} if salt else {})}
        _write(self.stack_file, _dump(stack))

    def _tracked_text(self) -> str:
        if self.tracked_file.is_file():
            return self.tracked_file.read_text()
        known = sorted(path.name[len("Pulumi.") : -len(".yaml")] for path in self.checkout.glob("Pulumi.*.yaml"))
        raise SandboxError(
            f"There is no stack {self.stack!r}: {self.tracked_file} does not exist. "
            + (
                f"Stacks that do: {', '.join(known)}."
                if known
                else f"{self.checkout} has no Pulumi.<stack>.yaml at all."
            )
        )


def _secret_keys(stack: dict[str, Any], project: str) -> list[str]:
    """Return the key of the program's secret; none if the model needs no token, or in another project."""
    serving = (stack.get("config") or {}).get(SERVING)
    model = serving.get("model") if isinstance(serving, dict) else None
    needs_none = isinstance(model, dict) and model.get("tokenSecret", TOKEN) is None
    return [] if needs_none or not TOKEN.startswith(f"{project}:") else [TOKEN]


def _without_foreign(stack: dict[str, Any], replaced: set[str]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the config without encrypted values, and the dropped keys without a placeholder, each with its reason."""
    left_out = [("environment", "it needs Pulumi Cloud")] if "environment" in stack else []
    foreign_key = "it is encrypted with a key that the sandbox does not have"

    def clean(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            kept = {}
            for key, inner in value.items():
                inner_path = f"{path}.{key}" if path else str(key)
                if isinstance(inner, dict) and set(inner) == {"secure"}:
                    if inner_path not in replaced:
                        left_out.append((inner_path, foreign_key))
                else:
                    kept[key] = clean(inner, inner_path)
            return kept
        if isinstance(value, list):
            secure = [
                index for index, inner in enumerate(value) if isinstance(inner, dict) and set(inner) == {"secure"}
            ]
            left_out.extend((f"{path}[{index}]", foreign_key) for index in secure)
            return [clean(inner, f"{path}[{i}]") for i, inner in enumerate(value) if i not in secure]
        return value

    return clean(stack.get("config") or {}, ""), left_out


def _edited(edited: dict[str, Any], copied: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the paths that the user edited: with another value than in the last copy and in the tracked file."""
    leaves, old, new = (dict(_leaves(tree, "")) for tree in (edited, copied, now))
    paths = [path for path, value in leaves.items() if old.get(path) != value and new.get(path) != value]
    paths += [path for path in old if path not in leaves and path in new]
    return sorted(paths)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value and set(value) != {"secure"}:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _mapping(path: Path) -> dict[str, Any]:
    try:
        return _parse(path.read_text(), path)
    except FileNotFoundError:
        raise SandboxError(f"{path} does not exist; the sandbox runs a Pulumi project, so it must be there") from None


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SandboxError(f"{path} is not YAML: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SandboxError(f"{path} holds {type(value).__name__}, not a mapping of keys to values")
    return value


def _dump(value: dict[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)


def _write(path: Path, text: str) -> None:
    """Replace the file atomically if it differs: a killed `make up` must not leave half a file."""
    if path.is_file() and path.read_text() == text:
        return
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)
