"""The pods of Envoy."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from components.gateways.args import ModelGatewayArgs, StandaloneArgs
from components.gateways.standalone.certificates import SECRETS, secrets
from components.gateways.standalone.clusters import ADMIN_PORT
from components.gateways.standalone.envoy import PORTS, STATUS_PORT, scheme
from components.gateways.standalone.parts import FOLDER
from components.manifests import CONFINED, given

CONFIG_FILE = "envoy.yaml"
USER = 101
"""`envoy` in Envoy's image."""

DRAIN = (Path(__file__).parent / "drain.sh").read_text()
"""preStop script of the container: Envoy's images have bash, and nothing else that speaks HTTP."""

QUIET = 5
"""Seconds without a request after which a pod that ends may go: kube-proxies and load balancers know by then."""


def deployment_spec(args: ModelGatewayArgs, own: StandaloneArgs, config: str) -> dict[str, Any]:
    """Pods that are replaced one by one, none before the next one is Ready."""
    mounted = [{"name": volume, "secret": {"secretName": name}} for volume, name in secrets(args).items()]
    pod: dict[str, Any] = {
        "serviceAccountName": args.name,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": args.termination_grace,
        "containers": [_container(args, own)],
        "volumes": [{"name": "config", "configMap": {"name": own.name}}, *mounted],
    }
    if own.image.pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in own.image.pull_secrets]
    return {
        "replicas": own.replicas,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": own.selector},
        "template": {
            "metadata": {
                "labels": {**args.generation_labels, **own.selector},
                # Envoy reads its file only at start: another configuration is another pod.
                "annotations": {"llm-d.ai/config-sha256": sha256(config.encode()).hexdigest()},
            },
            "spec": pod,
        },
    }


def _container(args: ModelGatewayArgs, own: StandaloneArgs) -> dict[str, Any]:
    container = {
        "name": "envoy",
        "image": own.image.name,
        "imagePullPolicy": own.image.pull_policy,
        "command": ["envoy"],
        "args": [
            *("--config-path", f"{FOLDER}/{CONFIG_FILE}"),
            *("--log-level", str(args.log_level)),
            *("--concurrency", "$(CPUS)"),  # otherwise a thread, with connections of its own, for each of the node's
            *("--file-flush-interval-msec", "500"),
            "--disable-hot-restart",
        ],
        "env": [{"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}],
        "ports": [
            *(_port(PORTS[scheme(each)], scheme(each)) for each in args.listeners),
            _port(STATUS_PORT, "status"),
        ],
        "startupProbe": _probe("/ready", period=1, failures=60),
        "livenessProbe": _probe("/live", period=10, failures=3),
        "readinessProbe": _probe("/ready", period=2, failures=2),
        "lifecycle": {"preStop": {"exec": {"command": ["bash", "-c", DRAIN, "drain", str(ADMIN_PORT), str(QUIET)]}}},
        "resources": {"requests": args.requests, "limits": args.limits},
        "securityContext": CONFINED if args.floating_user else {**CONFINED, "runAsUser": USER},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "config", "mountPath": FOLDER, "readOnly": True},
            *({"name": each, "mountPath": f"{SECRETS}/{each}", "readOnly": True} for each in secrets(args)),
        ],
    }
    return given(container)


def _port(port: int, name: str) -> dict[str, Any]:
    return {"name": name, "containerPort": port, "protocol": "TCP"}


def _probe(path: str, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "status"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
