"""A small project under the real CLI: its program registers the objects that a test declares."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sandbox.engine import Engine, prepare
from sandbox.home import Home
from sandbox.progress import Progress
from sandbox.toolchain import provide
from tests.sandbox.running import Running
from tests.sandbox.stack.deployment import Deployment

DECLARED = "DECLARED"
"""Environment variable with the file of the declared objects."""
PROGRAM = """
import json, os, pathlib, pulumi

known = {}
for name, d in json.loads(pathlib.Path(os.environ["DECLARED"]).read_text()).items():
    if d["token"] == "provider":
        known[name] = pulumi.ProviderResource("kubernetes", name, d["props"])
    else:
        opts = pulumi.ResourceOptions(provider=known["p"], **d["opts"])
        pulumi.CustomResource(d["token"], name, d["props"], opts)
"""


def prepared(folder: Path, project: Path, stack: str = "dev") -> Engine:
    """An engine for a project, with a home below `folder`."""
    return prepare(Home(folder / "home"), project, stack, tools=provide(["pulumi"], Progress()))


def project(folder: Path, cluster: Running) -> Deployment:
    """A project with one stack, in its own folders."""
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
    (folder / "project").mkdir(parents=True)
    (folder / "project/Pulumi.yaml").write_text(yaml.safe_dump({"name": "tiny", "runtime": runtime}))
    (folder / "project/Pulumi.dev.yaml").write_text("config: {}\n")
    (folder / "project/__main__.py").write_text(PROGRAM)
    engine = prepared(folder, folder / "project")
    own = {"KUBECONFIG": str(cluster.home.kubeconfig), DECLARED: str(folder / "declared.json")}
    return Deployment(cluster, replace(engine, env=engine.env | own), "dev")


def declare(stack: Deployment, *, settings: dict[str, Any] | None = None, **objects: dict[str, Any]) -> None:
    """Declare objects, and a provider with the program's settings and these."""
    props = {"kubeconfig": "", "enableConfigMapMutable": True, "enableSecretMutable": True, **(settings or {})}
    declared = {"p": {"token": "provider", "props": props}, **objects}
    Path(stack.engine.env[DECLARED]).write_text(json.dumps(declared))


def obj(token: str, name: str, namespace: str, *, opts: dict[str, Any] | None = None, **props: Any) -> dict[str, Any]:
    """A declared object."""
    module, kind = token.rsplit(":", 1)
    head = {"apiVersion": module.removeprefix("core/"), "kind": kind}
    metadata = {"name": name, "namespace": namespace}
    return {"token": f"kubernetes:{token}", "props": {**head, "metadata": metadata, **props}, "opts": opts or {}}
