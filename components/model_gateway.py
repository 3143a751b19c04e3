"""The model gateway: where requests come in."""

import pulumi

from components import gateways
from components.gateways.args import ModelGatewayArgs
from components.registration import declare


class ModelGateway(pulumi.ComponentResource):
    """Gateway and HTTPRoute to the pool with what the provider needs besides, or the stack's own Envoy."""

    gateway_name: pulumi.Output[str]
    """Name of the Gateway, or of the stack's own Envoy."""
    address: pulumi.Output[str]
    """Host name or IP address from the controller or the load balancer; empty while there is none, and for a Gateway
    that the stack does not declare."""

    def __init__(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:ModelGateway", name, None, opts)
        args = ModelGatewayArgs.of(args)
        self.address = pulumi.Output.from_input("")
        manifests = gateways.objects(args)
        made = declare(name, manifests, pulumi.ResourceOptions(parent=self))
        for each in manifests:
            if each.address:
                self.address = made[each.resource].status.apply(each.address)
        self.gateway_name = pulumi.Output.from_input(args.existing.name if args.existing else args.name)
        self.register_outputs({"gatewayName": self.gateway_name, "address": self.address})
