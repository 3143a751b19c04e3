"""A stack of this repository in a running sandbox: Pulumi's commands as a user types them, and live objects."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes import client, config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.resource import ResourceList

from sandbox.cluster import lifecycle
from sandbox.engine import Engine, prepare
from sandbox.engine.stack_files import accelerator, serving
from sandbox.home import CHECKOUT
from sandbox.network import istio
from sandbox.progress import Progress
from sandbox.toolchain import provide
from tests.sandbox.running import Running, provide_nodes

RELEASE = "0.6"
"""The newest one with an EPP and a sidecar that the sandbox builds."""
MINE = "app.kubernetes.io/part-of=llm-d-pd"


@dataclass(frozen=True)
class Deployment:
    """One stack, its engine and its cluster."""

    cluster: Running
    engine: Engine
    stack: str

    def pulumi(self, *arguments: str, ok: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run a Pulumi command inside the sandbox; `ok` expects success."""
        command = [*self.cluster.enter, "pulumi", *arguments, "--stack", self.stack, "--non-interactive"]
        done = subprocess.run(
            command,
            cwd=self.engine.cwd,
            env=self.engine.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not ok or done.returncode == 0, f"pulumi {arguments} → {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def up(self, **settings: Any) -> str:
        """Change settings (`prefill__replicas=2`; None removes) and run `pulumi up`."""
        self.configure(**settings)
        return self.pulumi("up", "--yes", "--skip-preview", "--color=never").stdout

    def configure(self, **settings: Any) -> None:
        """Change settings as `pulumi config set --path` does, all in one call."""
        pairs = [
            word
            for path, value in settings.items()
            if value is not None
            for word in ("--plaintext", f"serving.{path.replace('__', '.')}={_typed(value)}")
        ]
        if pairs:
            self.pulumi("config", "set-all", "--path", *pairs)
        for path, value in settings.items():
            if value is None:
                self.pulumi("config", "rm", "--path", f"serving.{path.replace('__', '.')}")

    def changes(self) -> dict[str, list[str]]:
        """Return a preview's changes: resource name → `operation path …`, without unchanged resources."""
        events = self.pulumi("preview", "--json").stdout
        steps = json.loads(events)["steps"]
        return {
            step["urn"].rsplit("::", 1)[-1]: [step["op"], *sorted(step.get("detailedDiff") or {})]
            for step in steps
            if step["op"] != "same"
        }

    def verify(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m verify` as `make verify` does."""
        done = subprocess.run(
            [*self.cluster.enter, sys.executable, "-m", "verify", "--stack", self.stack, *words],
            cwd=self.engine.cwd,
            env={**self.engine.env, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    @property
    def outputs(self) -> dict[str, Any]:
        return dict(json.loads(self.pulumi("stack", "output", "--json").stdout))

    @property
    def api(self) -> Any:
        """The API server, from outside the sandbox."""
        return client.CoreV1Api(config.new_client_from_config(str(self.cluster.host_kubeconfig)))

    def custom(self, api_version: str, kind: str, name: str, namespace: str) -> dict[str, Any]:
        dynamic = DynamicClient(config.new_client_from_config(str(self.cluster.host_kubeconfig)))
        return dict(
            dynamic.resources.get(api_version=api_version, kind=kind).get(name=name, namespace=namespace).to_dict()
        )

    def pods(self, namespace: str = "llm-d-pd", **labels: str) -> list[Any]:
        """Return pods by labels (`role="decode"`, `instance="pd"`)."""
        selector = ",".join(f"llm-d.ai/{key}={value}" for key, value in labels.items())
        return list(self.api.list_namespaced_pod(namespace, label_selector=selector).items)

    def objects(self, selector: str = MINE) -> set[str]:
        """Return `Kind/namespace/name` of all objects of all served kinds with the label."""
        dynamic = DynamicClient(config.new_client_from_config(str(self.cluster.host_kubeconfig)))
        kinds = [
            each
            for each in dynamic.resources.search()
            if not isinstance(each, ResourceList) and "list" in (each.verbs or [])
        ]
        found = set()
        for kind in kinds:
            for item in kind.get(label_selector=selector).items:
                found.add(f"{item.kind}/{item.metadata.namespace or ''}/{item.metadata.name}")
        return found


def deployment(cluster: Running, stack: str, count: int = 2) -> Deployment:
    """Return the stack's engine, with `count` nodes of its vendor in the cluster; it has the release of the tests."""
    provide_nodes(cluster, accelerator(CHECKOUT / f"Pulumi.{stack}.yaml"), count)
    progress = Progress()
    if lifecycle.isolated(cluster.home):
        istio.provide(cluster.host_kubeconfig, "istio-system", progress)
    engine = prepare(cluster.home, CHECKOUT, stack, tools=provide(["pulumi"], progress))
    made = Deployment(cluster, engine, stack)
    if serving(engine.cwd / f"Pulumi.{stack}.yaml").get("release") != RELEASE:
        made.configure(release=RELEASE)
    return made


@contextmanager
def destroyed_afterwards(made: Deployment) -> Iterator[Deployment]:
    """Destroy the stack after the test in any case, and restore its settings."""
    file = made.engine.cwd / f"Pulumi.{made.stack}.yaml"
    settings = file.read_text()
    try:
        yield made
    finally:
        made.pulumi("destroy", "--yes", "--skip-preview", ok=False)
        file.write_text(settings)


def gpus(pod: Any, resource: str) -> int:
    return sum(int((each.resources.limits or {}).get(resource, 0)) for each in pod.spec.containers)


def ready(pod: Any) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or [])


def _typed(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
