"""standalone: no gateway controller and none of the Gateway API's objects, but an Envoy that the stack declares.

For clusters without a controller that knows InferencePools. The pool stays: the endpoint picker of release 0.6 does not
start without one (its `--endpoint-selector` alone ends in "name must not be empty").
"""

from collections.abc import Sequence
from typing import Any

import yaml

from components.config.vocabulary import FailureMode, Provider, ReleaseName, ServiceType
from components.gateways.args import ListenerArgs, ModelGatewayArgs, StandaloneArgs
from components.gateways.provider import (
    ENVOY_LEVELS,
    LIMITS,
    REFUSED_BY_STANDALONE,
    REQUESTS,
    GatewayProvider,
    of_generation,
    of_stack,
)
from components.gateways.standalone.certificates import files
from components.gateways.standalone.envoy import bootstrap, scheme
from components.gateways.standalone.pod import CONFIG_FILE, deployment_spec
from components.manifests import SKIP_AWAIT, Manifest, Stage

MINUTES = 10
"""Envoy needs seconds, a new node for it or a cloud's load balancer minutes."""


def configure(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """Envoy, its configuration and Services."""
    own = args.standalone
    assert own, "the plan fills it for every provider with proxies of the stack's own"
    component = {"app.kubernetes.io/component": "inference-gateway"}
    config = yaml.safe_dump(bootstrap(args, own), sort_keys=False)
    data = {CONFIG_FILE: config, **{name: yaml.safe_dump(each) for name, each in files(args).items()}}
    return [
        # The account has no rights, and its token is not in the pods.
        of_stack(args)("envoy-account", "v1", "ServiceAccount", args.name),
        of_generation(args)(
            *("envoy-config", "v1", "ConfigMap", own.name),
            body={"data": data},
            formerly=None if args.generation else "parameters",  # istio's
            stage=Stage.PROXIES,
        ),
        of_generation(args)(
            *("envoy", "apps/v1", "Deployment", own.name),
            body={"spec": deployment_spec(args, own, config)},
            labels={**args.generation_labels, **own.selector, **component},
            annotations={} if args.awaited else SKIP_AWAIT,
            # Envoy reads its file once: a pod that starts before the ConfigMap is written would keep the old one.
            after="envoy-config",
            minutes=MINUTES,
            stage=Stage.PROXIES,
        ),
        *([_workers(args, own)] if own.failure_mode is FailureMode.FAIL_OPEN else []),
        *([_trial(args, own)] if args.beside else []),
        _service(args, own, {**args.labels, "llm-d.ai/gateway": args.name, **component}),
    ]


def _service(args: ModelGatewayArgs, own: StandaloneArgs, labels: dict[str, str]) -> Manifest:
    """The Deployment's readiness decides; of the Service only an address is worth a wait."""
    spec: dict[str, Any] = {
        "type": args.service_type.value,
        "selector": own.selector,
        "ports": [_port(args, each) for each in args.listeners],
    }
    if args.service.load_balancer_class:
        spec["loadBalancerClass"] = args.service.load_balancer_class
    awaited = args.awaited and args.service_type is ServiceType.LOAD_BALANCER
    return of_stack(args)(
        *("envoy-service", "v1", "Service", args.name),
        labels=labels,
        body={"spec": spec},
        annotations={**args.service.annotations, **({} if awaited else SKIP_AWAIT)},
        minutes=MINUTES,
        stage=Stage.SWITCH,
        address=_address,
    )


def _trial(args: ModelGatewayArgs, own: StandaloneArgs) -> Manifest:
    """A Service that leads to this generation's Envoy, whichever the stack's Service leads to."""
    ports = [{key: value for key, value in _port(args, each).items() if key != "nodePort"} for each in args.listeners]
    body = {"spec": {"type": "ClusterIP", "selector": own.selector, "ports": ports}}
    return of_generation(args)("trial", "v1", "Service", args.trial, body=body, annotations=SKIP_AWAIT)


def _port(args: ModelGatewayArgs, listener: ListenerArgs) -> dict[str, Any]:
    port = {"name": scheme(listener), "port": listener.port, "targetPort": scheme(listener), "protocol": "TCP"}
    node_port = args.service.node_ports.get(str(listener.port))
    return {**port, **({"nodePort": node_port} if node_port else {})}


def _workers(args: ModelGatewayArgs, own: StandaloneArgs) -> Manifest:
    """Puts the pool's Ready pods into the DNS, for the time without an endpoint picker."""
    port = {"name": "http", "port": args.pool_port, "targetPort": args.pool_port, "protocol": "TCP"}
    spec = {"type": "ClusterIP", "clusterIP": "None", "selector": own.worker_selector, "ports": [port]}
    return of_generation(args)("workers", "v1", "Service", own.workers, body={"spec": spec}, annotations=SKIP_AWAIT)


def _address(status: Any) -> str:
    balancer = (status or {}).get("loadBalancer") or {}
    ingress = (balancer.get("ingress") or [{}])[0]
    return str(ingress.get("ip") or ingress.get("hostname") or "")


STANDALONE = GatewayProvider(
    word=Provider.STANDALONE,
    class_name=None,
    source="the endpoint picker protocol, Gateway API inference extension docs/proposals/004-endpoint-picker-protocol",
    configure=configure,
    own_proxies=True,
    settle=30,
    names_generation=True,
    log_levels=ENVOY_LEVELS,
    requests=REQUESTS,
    limits=LIMITS,
    access_logging=True,
    refused={
        **REFUSED_BY_STANDALONE,
        **dict.fromkeys(
            ("existing", "route"),
            "its Envoy has no routes and serves this stack alone: without a Gateway nothing is shared",
        ),
    },
)

RELEASES = dict.fromkeys(ReleaseName, STANDALONE)
