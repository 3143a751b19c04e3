"""The Jobs that ask the gateway from inside the cluster: before a generation serves, and before one is deleted."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.gateways.args import AskingArgs, CountersArgs, ModelGatewayArgs, TrialArgs
from components.gateways.provider import GatewayProvider, of_generation
from components.manifests import RESTRICTED, SKIP_AWAIT, Manifest, Stage
from components.names import TRIAL_LABEL

SCRIPT = (Path(__file__).parent / "settle_job.py").read_text()
TRIAL_SCRIPT = (Path(__file__).parent / "trial_job.py").read_text()

CA_FOLDER = "/ca"

USER = 65534
"""User of the Jobs' containers. The scripts write no file."""

PATIENCE = 600
"""Seconds after which the Job fails if the proxies do not lead to the generation, in addition to `settle`."""

PULL = 600
"""Seconds for scheduling, and for pulling the image where the nodes of the workers cannot hold the pod."""

HEADER = "x-llm-d-generation"
"""Header with the word of a generation: in its answers, and in requests that only this generation gets."""


def settle(provider: GatewayProvider, args: ModelGatewayArgs, asked: AskingArgs) -> Manifest:
    """The Job that waits until the proxies lead to the generation. A failed Job runs again at the next `up`."""
    env = {
        **_common(provider, args),
        "HOST": asked.host,
        "PORT": str(asked.port),
        "TLS": "true" if asked.tls else "false",
        "ASK": f"{asked.path}/v1/models",
        "HEADERS": json.dumps(asked.headers),
        "SECONDS": str(asked.seconds),
        "LIMIT": str(asked.seconds + PATIENCE),
    }
    pod = _pod(args, asked, SCRIPT, [{"name": name, "value": value} for name, value in env.items()])
    return _job(args, asked, pod, PULL + PATIENCE + asked.seconds, Stage.SETTLE)


def trial(provider: GatewayProvider, args: ModelGatewayArgs, given: TrialArgs) -> Sequence[Manifest]:
    """The Job that sends requests to the generation before the route leads to it, and headless Services for the
    counters of its workers."""
    asked = given.asking
    env = {
        **_common(provider, args),
        "URL": given.url,
        "HEADERS": json.dumps({**asked.headers, **given.headers}),
        "MODEL": given.model,
        "PROMPT": given.prompt,
        "REQUESTS": str(given.requests),
        "MAX_ERRORS": str(given.max_errors),
        **{role.upper(): f"{each.name}.{args.namespace}.svc:{each.port}" for role, each in given.workers.items()},
        **({"CA": f"{CA_FOLDER}/ca.crt"} if given.ca_secret else {}),
    }
    variables: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in env.items()]
    if key := given.api_key:
        reference = {"secretKeyRef": {"name": key.name, "key": key.key}}
        variables.append({"name": "API_KEY", "valueFrom": reference})
    pod = _pod(args, asked, TRIAL_SCRIPT, variables)
    if given.ca_secret:
        pod["volumes"] = [{"name": "ca", "secret": {"secretName": given.ca_secret}}]
        pod["containers"][0]["volumeMounts"] = [{"name": "ca", "mountPath": CA_FOLDER, "readOnly": True}]
    job = _job(args, asked, pod, PULL + PATIENCE, Stage.TRIAL)
    return [job, *(_workers(args, role, each) for role, each in given.workers.items())]


def _common(provider: GatewayProvider, args: ModelGatewayArgs) -> dict[str, str]:
    return {
        "GENERATION": args.generation,
        "NAMED": "true" if provider.names_generation else "false",
        # NVIDIA's runtime shows all GPUs to an image that asks for them, unless this variable says otherwise.
        "NVIDIA_VISIBLE_DEVICES": "void",
    }


def _workers(args: ModelGatewayArgs, role: str, given: CountersArgs) -> Manifest:
    """The headless Service by which the Job finds the addresses of a tier's Ready workers."""
    port = {"name": "http", "port": given.port, "targetPort": given.port, "protocol": "TCP"}
    spec = {"type": "ClusterIP", "clusterIP": "None", "selector": given.selector, "ports": [port]}
    body = {"spec": spec}
    return of_generation(args)(f"trial-{role}", "v1", "Service", given.name, body=body, annotations=SKIP_AWAIT)


def _job(args: ModelGatewayArgs, asked: AskingArgs, pod: dict[str, Any], limit: int, stage: Stage) -> Manifest:
    resource, labels = ("trial", TRIAL_LABEL) if stage is Stage.TRIAL else ("settle", {})
    spec = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": limit,
        # An evicted pod is no failure.
        "podFailurePolicy": {
            "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
        "template": {
            "metadata": {
                "labels": {**asked.labels, **args.generation_labels, **labels, "sidecar.istio.io/inject": "false"},
                "annotations": {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"},
            },
            "spec": pod,
        },
    }
    return of_generation(args)(
        *(resource, "batch/v1", "Job", f"{asked.name}-{resource}"),
        body={"spec": spec},
        annotations={"pulumi.com/replaceUnready": "true"},
        stage=stage,
        minutes=-(-limit // 60) + 1,
    )


def _pod(args: ModelGatewayArgs, asked: AskingArgs, script: str, variables: list[dict[str, Any]]) -> dict[str, Any]:
    near = {"labelSelector": {"matchLabels": asked.near}, "topologyKey": "kubernetes.io/hostname"}
    placement = asked.placement
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": asked.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "affinity": {
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": near}],
            }
        },
        "containers": [
            {
                "name": "ask",
                "image": asked.image.name,
                "command": ["python3", "-c", script],
                "env": variables,
                "resources": {
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                    "limits": {"cpu": "1", "memory": "256Mi"},
                },
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": RESTRICTED if args.floating_user else {**RESTRICTED, "runAsUser": USER},
            }
        ],
    }
    if asked.image.pull_policy:
        pod["containers"][0]["imagePullPolicy"] = asked.image.pull_policy
    if asked.image.pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in asked.image.pull_secrets]
    if placement.node_selector:
        pod["nodeSelector"] = placement.node_selector
    if placement.tolerations:
        pod["tolerations"] = [each.document for each in placement.tolerations]
    return pod
