"""The environment of the Pulumi CLI and of the shell: PATH, KUBECONFIG, PULUMI_*, and nothing of the caller's."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sandbox.engine import official
from sandbox.engine.view import View
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home

PASSPHRASE = "sandbox"
"""Public on purpose: what it encrypts is a placeholder and the state of a cluster that is thrown away."""

FOREIGN_PREFIXES = ("PULUMI_", "KUBERNETES_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "grpc_proxy")
FOREIGN = {"KUBECONFIG", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", *_PROXIES, *(name.upper() for name in _PROXIES)}
"""What would lead engine, program or API client elsewhere; gRPC and Kubernetes clients proxy even 127.0.0.1."""


@dataclass(frozen=True)
class Engine:
    """Where and with what environment `pulumi` runs, and what a person should be told about it."""

    env: dict[str, str]
    cwd: Path
    notes: list[str]


def prepare(home: Home, checkout: Path, stack: str, *, tools: Mapping[str, Path], cache: Path) -> Engine:
    """Make everything that `pulumi … --stack <stack>` needs, except the cluster; quick when nothing has changed.

    `tools` maps plain names to executables and must have `pulumi`; `cache` is the user's folder for downloads.
    Raises `SandboxError` for a stack that has no file, a project that can't be read, or a CLI that refuses.
    """
    view = View(folder=home.view, checkout=checkout.resolve(), stack=stack)
    view.require_tracked()
    found = official.find(tools["pulumi"], cache, os.environ)
    bin_folder = home.root / "bin"
    plugins = home.state / "pulumi" / "plugins"
    _link(bin_folder, tools)
    host, plugin = f"language-python-v{version('pulumi')}", f"resource-kubernetes-v{version('pulumi-kubernetes')}"
    _install(plugins, host, official.HOST, found.host, "sandbox.engine.language")
    _install(plugins, plugin, official.PLUGIN, found.plugin, "sandbox.engine.kubernetes.plugin")
    (home.state / "backend").mkdir(parents=True, exist_ok=True)

    env = _environment(home, bin_folder, os.environ)
    view.write_project(virtualenv=Path(sys.prefix))

    def pulumi(*arguments: str, stdin: str = "") -> None:
        command = [str(bin_folder / "pulumi"), *arguments, "--stack", stack, "--non-interactive"]
        done = subprocess.run(
            command, env=env, cwd=view.folder, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SandboxError(
                f"`pulumi {shlex.join(arguments)}` failed in {view.folder}:\n{done.stderr or done.stdout}"
            )

    project = view.project()["name"]
    if not list((home.state / "backend" / ".pulumi" / "stacks" / project).glob(f"{stack}.json*")):
        pulumi("stack", "init")
    elif not _is_selected(home, f"organization/{project}/{stack}"):
        pulumi("stack", "select")  # for commands in the shell that name no stack
    notes = view.copy_stack(lambda key, value: pulumi("config", "set", "--secret", key, stdin=value))
    return Engine(env, view.folder, [*_about(found), *notes])


def _is_selected(home: Home, stack: str) -> bool:
    return any(f'"{stack}"' in file.read_text() for file in (home.state / "pulumi" / "workspaces").glob("*.json"))


def _environment(home: Home, bin_folder: Path, caller: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in caller.items() if key not in FOREIGN and not key.startswith(FOREIGN_PREFIXES)}
    return kept | {
        "PATH": os.pathsep.join([str(bin_folder), caller.get("PATH", os.defpath)]),
        "KUBECONFIG": str(home.kubeconfig),
        "PULUMI_HOME": str(home.state / "pulumi"),
        "PULUMI_BACKEND_URL": (home.state / "backend").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SUPPRESS_NEO_LINK": "true",
    }


def _link(folder: Path, tools: Mapping[str, Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in tools.items():
        _symlink(folder / name, target.resolve())


def _install(plugins: Path, folder: str, name: str, official_folder: Path | None, module: str) -> None:
    """Put the official executable or the stand-in where the CLI keeps its plugins.

    The CLI looks on PATH and beside itself first, so an official one that is there wins by itself.
    """
    target = plugins / folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if official_folder is None:
        _launcher(target, module)
    else:
        for executable in official_folder.glob(f"{name}*"):  # the language host has an `-exec` script beside it
            _symlink(target.with_name(executable.name), executable)


def _launcher(path: Path, module: str) -> None:
    """An executable that runs one of our modules on this interpreter, whatever the folder it is started in."""
    ours = repr(str(CHECKOUT))  # off the path again before the program runs: it must not find our modules
    code = f"import sys; sys.path.insert(0, {ours}); from {module} import main; sys.path.remove({ours}); main()"
    text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -u -c {shlex.quote(code)} "$@"\n'
    if not path.is_symlink() and path.is_file() and path.read_text() == text:
        return
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _symlink(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _about(found: official.Official) -> list[str]:
    missing = [name for name, place in ((official.HOST, found.host), (official.PLUGIN, found.plugin)) if place is None]
    if not missing:
        return []
    why = "neither on this machine nor downloadable" if found.reason else "not on this machine"
    return [f"Using the sandbox's stand-ins for {' and '.join(missing)}: {why}."]
