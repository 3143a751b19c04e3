"""The namespace and what all workers share in it: ServiceAccount and Hugging Face token."""

from base64 import b64encode

import pulumi

from components.manifests import Manifest
from components.names import TOKEN_KEY
from components.plan.platform_args import ServingNamespaceArgs
from components.plan.pod_rights import LABEL
from components.registration import declare

NAMESPACE = "namespace"
"""Pulumi resource of the namespace, after the component's name."""


class ServingNamespace(pulumi.ComponentResource):
    """The namespace of all objects. With `create` false it is neither made, nor changed, nor deleted."""

    namespace_name: pulumi.Output[str]
    """The namespace; known once it exists."""

    def __init__(self, name: str, args: ServingNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:ServingNamespace", name, None, opts)
        args = ServingNamespaceArgs.of(args)
        timeouts = pulumi.CustomTimeouts(delete=f"{args.delete_timeout}s")
        special = {NAMESPACE: pulumi.ResourceOptions(custom_timeouts=timeouts)}
        made = declare(name, objects(args), pulumi.ResourceOptions(parent=self), special)
        namespace = made.get(NAMESPACE)
        self.namespace_name = pulumi.Output.from_input(namespace.metadata["name"] if namespace else args.namespace)
        # For all others: they wait for the namespace alone.
        self.first = pulumi.ResourceOptions(depends_on=[namespace] if namespace else [])
        self.register_outputs({"namespaceName": self.namespace_name})


def objects(args: ServingNamespaceArgs) -> list[Manifest]:
    """The namespace if it is this stack's, the workers' ServiceAccount, and the token's Secret if a token is given."""
    made, after = [], None
    if args.create:
        labels = {**args.labels, **({LABEL: args.pod_security.value} if args.pod_security else {})}
        made, after = [Manifest(NAMESPACE, "v1", "Namespace", args.namespace, None, labels)], NAMESPACE
    place = (args.namespace, args.labels)
    account = {"automountServiceAccountToken": False}
    made.append(Manifest("workers", "v1", "ServiceAccount", args.service_account, *place, account, after=after))
    if args.token is not None and args.token_secret:
        data = args.token.apply(lambda token: {TOKEN_KEY: b64encode(token.encode()).decode()})
        body = {"type": "Opaque", "data": data}
        made.append(Manifest("token", "v1", "Secret", args.token_secret, *place, body, after=after))
    return made
