"""Runs `vllm bench serve` in a Job beside the workers: their image, model, token and API key, without a GPU.

Source of the options and of the result's fields: vllm-project/vllm, vllm/benchmarks/serve.py, 0.11.2, 0.17.1, 0.26.0
and 0.30.0. 0.11.2 has no `--insecure`.
"""

import copy
import json
import secrets
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verify.apikey import VARIABLE
from verify.cluster import Cluster, Object
from verify.finding import VerifyError
from verify.pods import name
from verify.tiers import VLLM
from verify.waiting import why

MARK = "verify-load: "
"""First words of a line with a result."""
READY = 60
"""Seconds that the load generator waits for the answer to a first prompt, where prompts share a beginning: the answer
puts it into the worker's cache."""
POLL = 2.0
_SHELL_END = 'exec vllm serve "$@"'
_RESOURCES = {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "16Gi"}}
_KEPT = ("imagePullSecrets", "nodeSelector", "runtimeClassName", "securityContext", "serviceAccountName", "tolerations")
_NOT_FOR_A_CLIENT = ("VLLM_NIXL", "UCX_", "NCCL_", "DP_SIZE", "TP_SIZE", VARIABLE)
"""Beginnings of variables that a client has no use for."""


@dataclass(frozen=True)
class Run:
    """One run of the load generator: random prompts of one length, and answers of one length."""

    label: str
    url: str
    input_tokens: int
    output_tokens: int
    requests: int
    concurrency: int | None = None
    rate: float | None = None
    """Requests per second; None: each client sends its next request after the answer."""
    prefix: int = 0
    """Tokens at the beginning that all prompts share, besides `input_tokens`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    seed: int = field(default_factory=lambda: secrets.randbelow(2**31))
    """Of the prompts. With a seed that was used before, workers have the prompts in their caches."""

    def words(self, model: str, served: str) -> list[str]:
        """The command line; it writes its result to a file of the run's name in the present folder."""
        return [
            *("vllm", "bench", "serve", "--backend=openai", "--endpoint=/v1/completions", f"--base-url={self.url}"),
            *(f"--model={model}", f"--served-model-name={served}", "--dataset-name=random", "--ignore-eos"),
            *(f"--random-input-len={self.input_tokens}", f"--random-output-len={self.output_tokens}"),
            *((f"--random-prefix-len={self.prefix}",) if self.prefix else ()),
            *(f"--num-prompts={self.requests}", f"--ready-check-timeout-sec={READY if self.prefix else 0}"),
            f"--seed={self.seed}",
            "--temperature=0",
            *((f"--max-concurrency={self.concurrency}",) if self.concurrency else ()),
            *((f"--request-rate={self.rate:g}",) if self.rate else ()),
            # Not `itl`: a client reads several tokens at once, which makes the time between them 0.
            *("--percentile-metrics=ttft,tpot,e2el", "--metric-percentiles=50,90,99", "--disable-tqdm"),
            *("--save-result", "--result-dir=.", f"--result-filename={self.label}.json"),
            *(["--header", *(f"{key}={value}" for key, value in self.headers.items())] if self.headers else ()),
            *(("--insecure",) if self.url.startswith("https:") else ()),
        ]


def job(template: Object, namespace: str, runs: Sequence[Run], served: str, seconds: int) -> Object:
    """The Job for a tier's pod template: all runs, one after another; a run that fails does not stop the next."""
    pod = copy.deepcopy(template["spec"])
    container = next(one for one in pod["containers"] if one["name"] == VLLM)
    model = container["args"][0]
    lines = ['cd "$(mktemp -d)"']
    for run in runs:
        lines.append(f"{shlex.join(run.words(model, served))} >{run.label}.log 2>&1 || tail -n 15 {run.label}.log")
        lines.append(f"[ ! -s {run.label}.json ] || echo {shlex.quote(MARK + run.label)} $(cat {run.label}.json)")
    client = {
        "name": VLLM,
        "image": container["image"],
        "command": _command(container["command"], "\n".join(lines)),
        "env": _environment(container.get("env") or []),
        "resources": _RESOURCES,
        "securityContext": _confined(container.get("securityContext") or {}),
    }
    volumes = [one for one in pod.get("volumes") or [] if "hostPath" not in one]
    names = {one["name"] for one in volumes}
    client["volumeMounts"] = [one for one in container.get("volumeMounts") or [] if one["name"] in names]
    spec = {
        **{key: pod[key] for key in _KEPT if key in pod},
        "affinity": _beside(
            template["metadata"]["labels"], claimed=any("persistentVolumeClaim" in one for one in volumes)
        ),
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [client],
        "volumes": volumes,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"verify-load-{secrets.token_hex(3)}", "namespace": namespace},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": seconds,
            "ttlSecondsAfterFinished": 600,
            "template": {"metadata": {"labels": {"app.kubernetes.io/name": "verify-load"}}, "spec": spec},
        },
    }


def _beside(labels: Mapping[str, str], claimed: bool) -> Object:
    """On a node with a worker, which has the image: if possible, and with a claim always, because only one node may be
    able to mount it."""
    term = {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": "kubernetes.io/hostname"}
    if claimed:
        return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return {
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}
    }


def _command(command: Sequence[str], script: str) -> list[str]:
    """The script in a shell, after what the workers' own shell does first."""
    own = command[2].replace(_SHELL_END, "") if len(command) > 2 and _SHELL_END in command[2] else ""
    return ["/bin/bash" if own else "/bin/sh", "-c", own + script]


def _environment(declared: Sequence[Object]) -> list[Object]:
    kept = [each for each in declared if not each["name"].startswith(_NOT_FOR_A_CLIENT)]
    keys = [{**each, "name": "OPENAI_API_KEY"} for each in declared if each["name"] == VARIABLE]
    return [*kept, *keys]


def _confined(context: Object) -> Object:
    """A worker's security context without its rights on the node."""
    dropped = (context.get("capabilities") or {}).get("drop")
    kept = {key: value for key, value in context.items() if key not in ("privileged", "capabilities")}
    return {**kept, **({"capabilities": {"drop": dropped}} if dropped else {})}


def run(cluster: Cluster, wanted: Object, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Create the Job, wait for its end, and delete it; return the results by label. Raises `VerifyError`."""
    namespace, called = wanted["metadata"]["namespace"], name(wanted)
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    cluster.create(jobs, wanted)
    say(f"Job {called} sends the load …")
    waits = ""
    try:
        start = time.monotonic()
        while True:
            ended = _ended(cluster.get(f"{jobs}/{called}"))
            pods = cluster.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"job-name={called}")["items"]
            if ended:
                break
            if time.monotonic() > start + wanted["spec"]["activeDeadlineSeconds"] + READY:
                raise VerifyError(f"Job {called} does not end: `kubectl -n {namespace} describe job {called}`")
            pending = next((pod for pod in pods if pod["status"].get("phase") == "Pending"), None)
            if pending and time.monotonic() > start + READY and waits != why(pending):
                waits = why(pending)
                say(f"its pod does not start yet: {waits}")
            time.sleep(POLL)
        text = "".join(cluster.log(namespace, name(pod), VLLM) for pod in pods) or waits
    finally:
        cluster.delete(f"{jobs}/{called}", propagationPolicy="Background")
    return results(text)


def _ended(found: Object) -> bool:
    conditions = (found.get("status") or {}).get("conditions") or []
    return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in conditions)


def results(text: str) -> dict[str, dict[str, Any]]:
    """The results in a log, of runs with answers. Raises `VerifyError` with the end of the log if there is none."""
    found: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        if line.startswith(MARK):
            label, _, document = line.removeprefix(MARK).partition(" ")
            result = json.loads(document)
            if result["completed"]:
                found[label] = result
    if not found:
        raise VerifyError(f"the load generator measured nothing; its last lines:\n{text.strip()[-2000:]}")
    return found
