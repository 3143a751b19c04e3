"""standalone: no gateway controller and none of the Gateway API's objects, but an Envoy of our own.

For clusters without a controller that knows InferencePools. The pool stays: the picker of release 0.6 does not start
without one (its `--endpoint-selector` alone ends in "name must not be empty").
"""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import yaml

from components.config.vocabulary import FailureMode, ServiceType
from components.gateways.standalone.certificates import files
from components.gateways.standalone.envoy import bootstrap
from components.gateways.standalone.listeners import scheme
from components.gateways.standalone.pod import CONFIG_FILE, deployment_spec
from components.objects import metadata
from components.plan.gateway_args import ListenerArgs, ModelGatewayArgs, StandaloneArgs

SKIP = {"pulumi.com/skipAwait": "true"}

WAIT = pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="10m", update="10m"))
"""Envoy needs seconds, a new node for it or a cloud's load balancer minutes."""


def declare(name: str, args: ModelGatewayArgs, own: StandaloneArgs, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Envoy, its configuration and Service; returns its load balancer's address, empty while there is none."""
    waiting = pulumi.ResourceOptions.merge(opts, WAIT)
    labels = {**args.labels, **own.selector, "app.kubernetes.io/component": "inference-gateway"}
    k8s.core.v1.ServiceAccount(  # with no rights, and no token of it in the pods
        f"{name}-envoy-account", metadata=metadata(args.name, args.namespace, args.labels), opts=opts
    )
    config = yaml.safe_dump(bootstrap(args, own), sort_keys=False)
    file = k8s.core.v1.ConfigMap(
        f"{name}-envoy-config",
        metadata=metadata(args.name, args.namespace, args.labels),
        data={CONFIG_FILE: config, **{name: yaml.safe_dump(each) for name, each in files(args).items()}},
        opts=opts,
    )
    k8s.apps.v1.Deployment(
        f"{name}-envoy",
        metadata=metadata(args.name, args.namespace, labels, None if args.awaited else SKIP),
        spec=deployment_spec(args, own, config),
        # It reads its file once: a pod that is faster than a changed configuration would keep the old one.
        opts=pulumi.ResourceOptions.merge(waiting, pulumi.ResourceOptions(depends_on=[file])),
    )
    if own.failure_mode is FailureMode.FAIL_OPEN:
        _workers(name, args, own, opts)
    # The Deployment's readiness decides; of the Service only an address is worth a wait.
    awaited = args.awaited and args.service_type is ServiceType.LOAD_BALANCER
    annotations = {**args.service.annotations, **({} if awaited else SKIP)}
    service = k8s.core.v1.Service(
        f"{name}-envoy-service",
        metadata=metadata(args.name, args.namespace, labels, annotations or None),
        spec=k8s.core.v1.ServiceSpecArgs(
            type=args.service_type.value,
            load_balancer_class=args.service.load_balancer_class,
            selector=own.selector,
            ports=[_port(args, each) for each in args.listeners],
        ),
        opts=waiting,
    )
    return service.status.apply(_address)


def _port(args: ModelGatewayArgs, listener: ListenerArgs) -> k8s.core.v1.ServicePortArgs:
    return k8s.core.v1.ServicePortArgs(
        name=scheme(listener),
        port=listener.port,
        target_port=scheme(listener),
        node_port=args.service.node_ports.get(str(listener.port)),
        protocol="TCP",
    )


def _workers(name: str, args: ModelGatewayArgs, own: StandaloneArgs, opts: pulumi.ResourceOptions) -> None:
    """Puts the pool's Ready pods into the DNS, for the time without a picker."""
    k8s.core.v1.Service(
        f"{name}-workers",
        metadata=metadata(own.workers, args.namespace, args.labels, SKIP),
        spec=k8s.core.v1.ServiceSpecArgs(
            type="ClusterIP",
            cluster_ip="None",
            selector=own.worker_selector,
            ports=[
                k8s.core.v1.ServicePortArgs(
                    name="http", port=args.pool_port, target_port=args.pool_port, protocol="TCP"
                )
            ],
        ),
        opts=opts,
    )


def _address(status: Any) -> str:
    balancer = getattr(status, "load_balancer", None)
    ingress = getattr(balancer, "ingress", None) or []
    return str(ingress[0].ip or ingress[0].hostname or "") if ingress else ""
