"""The model gateway, which receives the clients' requests."""

from collections.abc import Callable, Sequence

import pulumi

from components import gateways
from components.gateways.args import ModelGatewayArgs
from components.manifests import Stage
from components.names import INSTANCE, led_to
from components.registration import declare

Workers = Callable[[Sequence[pulumi.Resource]], Sequence[pulumi.Resource]]
"""Registers the workers after these objects of the gateway. Returns the resources that later stages depend on."""


class ModelGateway(pulumi.ComponentResource):
    """Gateway and HTTPRoute to the pool with what the provider needs besides, or the stack's own Envoy.

    `workers` is called once, after the objects that the workers wait for and before the objects that wait for them.
    """

    gateway_name: pulumi.Output[str]
    """Name of the Gateway, or of the stack's own Envoy."""
    address: pulumi.Output[str]
    """Host name or IP address from the controller or the load balancer; empty while there is none, and for a Gateway
    that the stack does not declare."""

    def __init__(
        self,
        name: str,
        args: ModelGatewayArgs,
        opts: pulumi.ResourceOptions | None = None,
        workers: Workers = lambda _: (),
    ) -> None:
        super().__init__("llm-d-pd:index:ModelGateway", name, None, opts)
        args = ModelGatewayArgs.of(args)
        self.address = pulumi.Output.from_input("")
        self.switch: list[pulumi.Resource] = []
        self.generation = pulumi.Output.from_input(args.generation)
        after: list[pulumi.Resource] = []
        for stage in Stage:
            waiting = pulumi.ResourceOptions(parent=self, depends_on=list(after))
            manifests = gateways.objects(args, stage)
            made = declare(name, manifests, waiting)
            for manifest in manifests:
                declared = made[manifest.resource]
                if manifest.address:
                    self.address = declared.status.apply(manifest.address)
                if manifest.generation is not None or stage is Stage.SWITCH:
                    after.append(declared)
                if stage is Stage.SWITCH:
                    self.switch.append(declared)
                    self.generation = declared.spec.apply(lambda spec: led_to(spec, args.labels[INSTANCE]) or "")
            if stage is Stage.FIRST:
                after = [*workers(after)]
        self.gateway_name = pulumi.Output.from_input(args.existing.name if args.existing else args.name)
        self.register_outputs({"gatewayName": self.gateway_name, "address": self.address})
