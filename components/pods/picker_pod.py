"""The pod and the Deployment of the endpoint picker. Source: inferencepool chart v1.2.0 and v1.4.0."""

from hashlib import sha256

from components.manifests import CONFINED, Fields, given
from components.names import PICKER_PORTS
from components.plan.platform_args import EndpointPickerArgs
from components.pods import placement
from components.pods.containers import container_port, variable_of_pod

TERMINATION_GRACE = 130
"""Seconds (chart) in which running streams may end."""

STARTUP_BUDGET = 60
"""Seconds for reading pool and pods and making a key (seen: 3); then the container is restarted, as liveness would."""

ALL_AT_ONCE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "100%"}}
"""New pickers beside the old ones: they become Ready one by one, and only when the old leader has gone."""

LISTENING = {
    "tcpSocket": {"port": PICKER_PORTS["grpc"]},
    "periodSeconds": 1,
    "failureThreshold": STARTUP_BUDGET,
}
"""The picker opens the gateway's port last, after it has made a TLS key of 4096 bits. Its health service reports
`SERVING` up to two seconds earlier."""

NO_DEADLINE = 2**31 - 1
"""No deadline: stand-by pods are never available, and with a deadline the Deployment would count as failed."""


def deployment_spec(picker: EndpointPickerArgs) -> Fields:
    """One active picker; other replicas stand by, because two active ones would each know half of the prefix cache."""
    several = picker.replicas > 1
    spec = {
        "replicas": picker.replicas,
        "strategy": ALL_AT_ONCE if several else {"type": "Recreate"},
        "progressDeadlineSeconds": NO_DEADLINE if several else None,
        "selector": {"matchLabels": picker.selector},
        "template": {
            "metadata": {
                "labels": {**picker.labels, **picker.selector},
                # The picker reads its file only at start: another configuration is another pod.
                "annotations": {"llm-d.ai/config-sha256": sha256(picker.config.encode()).hexdigest()},
            },
            "spec": _pod(picker),
        },
    }
    return given(spec)


def _pod(picker: EndpointPickerArgs) -> Fields:
    spec = {
        "serviceAccountName": picker.name,
        "imagePullSecrets": placement.pull_secrets(picker.image.pull_secrets),
        "terminationGracePeriodSeconds": TERMINATION_GRACE,
        "containers": [_container(picker)],
        "volumes": _volumes(picker),
        "nodeSelector": picker.placement.node_selector or None,
        "tolerations": placement.tolerations(picker.placement),
        "topologySpreadConstraints": [_on_different_nodes(picker)] if picker.replicas > 1 else None,
    }
    return given(spec)


def _on_different_nodes(picker: EndpointPickerArgs) -> Fields:
    """Prefers different nodes. A stand-by pod on the same node still survives the leader's process."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": picker.selector},
    }


def _container(picker: EndpointPickerArgs) -> Fields:
    container = {
        "name": "epp",
        "image": picker.image.name,
        "imagePullPolicy": picker.image.pull_policy,
        "args": [f"{flag}={value}" for flag, value in picker.flags.items()],
        "env": [
            variable_of_pod("NAMESPACE", "metadata.namespace"),
            variable_of_pod("POD_NAME", "metadata.name"),
            *({"name": name, "value": value} for name, value in picker.env.items()),
        ],
        "ports": [
            *(container_port(port, name) for name, port in PICKER_PORTS.items()),
            *([container_port(picker.events_port, "kv-events")] if picker.events_port else []),
        ],
        "startupProbe": LISTENING,
        "livenessProbe": _health(picker, "liveness", period=10, delay=5),
        "readinessProbe": _health(picker, "readiness", period=2),
        "resources": given({"requests": picker.requests or None, "limits": picker.limits or None}),
        "securityContext": CONFINED,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "plugins-config-volume", "mountPath": "/config"},
            *([{"name": "scratch", "mountPath": "/tmp"}] if picker.scratch else []),
        ],
    }
    return given(container)


def _volumes(picker: EndpointPickerArgs) -> list[Fields]:
    config: Fields = {"name": "plugins-config-volume", "configMap": {"name": picker.name}}
    return [config, {"name": "scratch", "emptyDir": {}}] if picker.scratch else [config]


def _health(picker: EndpointPickerArgs, which: str, period: int, delay: int | None = None) -> Fields:
    """Probe of the picker's gRPC health service, which with leader election has a name for each kind of probe."""
    service = which if picker.replicas > 1 else "inference-extension"
    probe = {
        "grpc": {"port": PICKER_PORTS["grpc-health"], "service": service},
        "initialDelaySeconds": delay,
        "periodSeconds": period,
    }
    return given(probe)
