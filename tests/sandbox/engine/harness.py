"""A small project under the real CLI: declare objects and run a command."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.engine import Engine, prepare
from sandbox.home import Home
from sandbox.progress import Progress
from sandbox.toolchain import provide

PROGRAM = '''
"""Registers what objects.json declares."""
import json, pathlib, pulumi

declared = json.loads(pathlib.Path("objects.json").read_text())
known = {}

for name, d in declared.items():
    opts = d.get("opts", {})
    if "provider" in opts:
        opts["provider"] = known[opts["provider"]]
    opts = pulumi.ResourceOptions(**opts)
    if d["token"] == "provider":
        known[name] = pulumi.ProviderResource("kubernetes", name, d["props"], opts)
    else:
        known[name] = pulumi.CustomResource(d["token"], name, d["props"], opts)
'''


@dataclass(frozen=True)
class Ran:
    code: int
    output: str

    def ok(self) -> "Ran":
        assert self.code == 0, self.output
        return self

    def failed(self) -> "Ran":
        assert self.code != 0, self.output
        return self


@dataclass
class Stack:
    """One project with one stack, in its own folders."""

    folder: Path
    engine: Engine
    enter: list[str]

    def pulumi(self, *arguments: str, timeout: float = 120) -> Ran:
        done = subprocess.run(
            [*self.enter, "pulumi", *arguments, "--stack", "dev"],
            cwd=self.engine.cwd,
            env=self.engine.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout)

    def declare(self, **objects: dict[str, Any]) -> "Stack":
        (self.folder / "objects.json").write_text(json.dumps(objects))
        return self

    def up(self, *arguments: str, **options: Any) -> Ran:
        return self.pulumi("up", "--yes", "--skip-preview", *arguments, **options)

    def preview(self, *arguments: str, **options: Any) -> Ran:
        return self.pulumi("preview", *arguments, **options)


def prepared(folder: Path, project: Path, stack: str = "dev") -> Engine:
    """An engine for a project, with a home below `folder`."""
    return prepare(Home(folder / "home"), project, stack, tools=provide(["pulumi"], Progress()))


def on_cluster(folder: Path, cluster: Any) -> Stack:
    project = folder / "project"
    project.mkdir(parents=True)
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
    (project / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "tiny", "runtime": runtime}))
    (project / "Pulumi.dev.yaml").write_text("config: {}\n")
    (project / "__main__.py").write_text(PROGRAM)
    engine = prepared(folder, project)
    engine.env["KUBECONFIG"] = str(cluster.home.kubeconfig)
    return Stack(project, engine, cluster.enter)


def provider(**props: Any) -> dict[str, Any]:
    """A provider with the program's settings and `props`."""
    in_place = {"enableConfigMapMutable": True, "enableSecretMutable": True}
    return {"token": "provider", "props": {"kubeconfig": "", **in_place, **props}}


def obj(token: str, name: str, namespace: str | None = None, *, opts: Any = None, **props: Any) -> dict[str, Any]:
    """A declared object."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    module, kind = token.rsplit(":", 1)
    api_version = module.removeprefix("core/")
    return {
        "token": f"kubernetes:{token}",
        "props": {"apiVersion": api_version, "kind": kind, "metadata": metadata, **props},
        "opts": {"provider": "p", **(opts or {})},
    }


def deployment(name: str, namespace: str, image: str, *, opts: Any = None, **spec: Any) -> dict[str, Any]:
    """A Deployment of one container `c`."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return obj(
        "apps/v1:Deployment",
        name,
        namespace,
        opts=opts,
        spec={"replicas": 1, "selector": {"matchLabels": labels}, "template": template, **spec},
    )
