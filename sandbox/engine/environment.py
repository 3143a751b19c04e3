"""The environment of the Pulumi CLI and of the shell, and the CLI's plugins: official ones if this machine has them.

No package registry has the official language host or Kubernetes plugin. `find_official` looks on PATH, beside the CLI
(the official archive of the CLI has the language host) and among the user's Pulumi plugins. Nothing downloads the
Kubernetes plugin, because no public file states its digest.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sandbox.engine.stack_files import View
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home

PASSPHRASE = "sandbox"
"""Public on purpose: it encrypts only a placeholder and the state of a disposable cluster."""

FOREIGN_PREFIXES = ("PULUMI_", "KUBERNETES_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "grpc_proxy")
FOREIGN = {"KUBECONFIG", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", *_PROXIES, *(name.upper() for name in _PROXIES)}
"""Variables that would redirect engine, program or API client; gRPC and Kubernetes clients proxy even 127.0.0.1."""


@dataclass(frozen=True)
class Engine:
    """Folder and environment of `pulumi` commands, and notes for the user."""

    env: dict[str, str]
    cwd: Path
    notes: list[str]


def prepare(home: Home, checkout: Path, stack: str, *, tools: Mapping[str, Path]) -> Engine:
    """Prepare everything for `pulumi … --stack <stack>` except the cluster. Fast if nothing has changed.

    `tools` maps plain names to executables and must have `pulumi`.
    Raises `SandboxError` for a stack without a file, an unreadable project, or a failed CLI command.
    """
    view = View(folder=home.view, checkout=checkout.resolve(), stack=stack)
    view.require_tracked()
    found = find_official(tools["pulumi"], os.environ)
    bin_folder = home.root / "bin"
    plugins = home.state / "pulumi" / "plugins"
    _link(bin_folder, tools)
    host, plugin = f"language-python-v{version('pulumi')}", f"resource-kubernetes-v{version('pulumi-kubernetes')}"
    _install(plugins, host, HOST, found.host, "sandbox.engine.language")
    _install(plugins, plugin, PLUGIN, found.plugin, "sandbox.engine.kubernetes.server")
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
    """Put the official executable or the stand-in into the CLI's plugin folder.

    The CLI looks on PATH and beside itself first, so it prefers an official executable there.
    """
    target = plugins / folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if official_folder is None:
        _launcher(target, module)
    else:
        for executable in official_folder.glob(f"{name}*"):  # the language host has an `-exec` script beside it
            _symlink(target.with_name(executable.name), executable)


def _launcher(path: Path, module: str) -> None:
    """Write an executable that runs a module of the sandbox on this interpreter, from any folder."""
    checkout = repr(str(CHECKOUT))  # removed from the path again: the program must not find the sandbox's modules
    code = f"import sys; sys.path.insert(0, {checkout}); from {module} import main; sys.path.remove({checkout}); main()"
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


def _about(found: "Official") -> list[str]:
    missing = [name for name, place in ((HOST, found.host), (PLUGIN, found.plugin)) if place is None]
    if not missing:
        return []
    return [
        f"Using the sandbox's stand-ins for {' and '.join(missing)}: not on this machine. "
        "docs/sandbox.md says how to use the official ones."
    ]


HOST = "pulumi-language-python"
PLUGIN = "pulumi-resource-kubernetes"


@dataclass(frozen=True)
class Official:
    """Folders of the official executables; None = a stand-in is used."""

    host: Path | None
    plugin: Path | None


def find_official(cli: Path, environ: Mapping[str, str]) -> Official:
    """Find both executables on this machine."""
    places = [cli.resolve().parent, *_user_plugins(environ)]

    def where(name: str) -> Path | None:
        if on_path := shutil.which(name, path=environ.get("PATH", "")):
            return Path(on_path).parent
        return next((place for place in places if (place / name).is_file()), None)

    return Official(where(HOST), where(PLUGIN))


def _user_plugins(environ: Mapping[str, str]) -> list[Path]:
    """Return the user's plugin folders of the pinned minor version, newest patch first."""
    home = Path(environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    minor = version("pulumi-kubernetes").rpartition(".")[0]
    folders = home.joinpath("plugins").glob(f"resource-kubernetes-v{minor}.*")
    patches = {int(folder.name.rpartition(".")[2]): folder for folder in folders if folder.name[-1].isdigit()}
    return [patches[patch] for patch in sorted(patches, reverse=True)]
