"""The stack's outputs, read with the Pulumi CLI."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verify.finding import VerifyError

ROLES = ("prefill", "decode")


@dataclass(frozen=True)
class Workload:
    """A tier as the stack declares it."""

    name: str
    replicas: int | None
    """Number of pods; None: an autoscaler decides."""
    gpus: int | None
    """GPUs of all replicas; None: an autoscaler decides."""
    rdma: bool
    """Whether the stack gives RDMA to the pods."""


@dataclass(frozen=True)
class Outputs:
    """The stack outputs that a verification needs."""

    stack: str
    namespace: str
    model: str
    pool: str
    context: str
    """Context of the kubeconfig that the stack was deployed with; empty: the current one."""
    server: str
    """API server that the stack was deployed to; empty if unknown."""
    gateway: str
    """The Gateway, or the Service of an Envoy that serves without one."""
    provider: str
    """The gateway provider; `standalone` = an Envoy in place of Gateway and HTTPRoute."""
    workloads: Mapping[str, Workload]
    sizing: Sequence[Mapping[str, Any]] = ()
    """What sizing predicts of each tier; empty: the stack is not sized."""
    load: Mapping[str, Any] = field(default_factory=dict)
    """The stated load; empty: none is stated."""

    @property
    def standalone(self) -> bool:
        """Whether the stack serves with an Envoy of its own, without Gateway and HTTPRoute."""
        return self.provider == "standalone"

    @property
    def istio(self) -> bool:
        """Whether the controller is istio, which needs a DestinationRule to speak TLS to the EPP."""
        return self.provider in ("istio", "data-science-gateway")


def pulumi(*words: str) -> "subprocess.CompletedProcess[str] | None":
    """Run the Pulumi CLI in this folder; None: it is not on PATH."""
    if shutil.which("pulumi") is None:
        return None
    command = ["pulumi", *words, "--non-interactive"]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def read(stack: str) -> Outputs:
    """Read the outputs of `stack` with the Pulumi CLI on PATH, in this folder. Raises `VerifyError`."""
    done = pulumi("stack", "output", "--json", "--stack", stack)
    if done is None:
        raise VerifyError(
            "the Pulumi CLI isn't on PATH, so the stack's outputs can't be read: install it "
            "(https://www.pulumi.com/docs/iac/download-install/), or verify a sandbox with `make verify`"
        )
    if done.returncode:
        complaint = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise VerifyError(
            f"the outputs of stack {stack!r} can't be read. Pulumi says:\n  {complaint}\n"
            "`pulumi stack ls` names the stacks of this folder's project; `pulumi login` chooses where they are kept"
        )
    return parse(stack, done.stdout)


def parse(stack: str, text: str) -> Outputs:
    """Read the outputs' JSON. Raises `VerifyError` when the stack has none, or lacks what is needed."""
    document: dict[str, Any] = json.loads(text or "{}")
    if not document:
        raise VerifyError(f"stack {stack!r} has no outputs, so nothing is deployed: `pulumi up --stack {stack}`")
    try:
        return Outputs(
            stack=stack,
            namespace=document["namespace"],
            model=document["model"],
            pool=document["inferencePool"],
            context=document["context"],
            server=document["server"],
            gateway=document["gateway"]["name"],
            provider=document["gateway"]["provider"],
            workloads={role: _workload(document["workloads"][role]) for role in ROLES},
            sizing=document.get("sizing") or (),
            load=document.get("load") or {},
        )
    except KeyError as missing:
        raise VerifyError(
            f"stack {stack!r} has no output {missing}: it was deployed by another version of the program; "
            f"`pulumi up --stack {stack}` brings its outputs up to date"
        ) from None


def _workload(value: Mapping[str, Any]) -> Workload:
    replicas, gpus = (None if value.get(key) is None else int(value[key]) for key in ("replicas", "gpus"))
    return Workload(value["name"], replicas, gpus, bool(value["rdma"]))
