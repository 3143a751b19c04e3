"""The namespace and what all workers share in it: ServiceAccount and Hugging Face token."""

from base64 import b64encode

import pulumi
import pulumi_kubernetes as k8s

from components.names import TOKEN_KEY
from components.plan.platform_args import ServingNamespaceArgs
from components.plan.pod_rights import LABEL
from components.registration import metadata


class ServingNamespace(pulumi.ComponentResource):
    """The namespace of all objects. With `create` false it is neither made, nor changed, nor deleted."""

    namespace_name: pulumi.Output[str]
    """The namespace; known once it exists."""

    def __init__(self, name: str, args: ServingNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:ServingNamespace", name, None, opts)
        args = ServingNamespaceArgs.of(args)
        child = pulumi.ResourceOptions(parent=self)
        made = []
        self.namespace_name = pulumi.Output.from_input(args.namespace)
        if args.create:
            labels = {**args.labels, **({LABEL: args.pod_security.value} if args.pod_security else {})}
            namespace = k8s.core.v1.Namespace(
                f"{name}-namespace",
                metadata=metadata(args.namespace, None, labels),
                opts=pulumi.ResourceOptions.merge(
                    child,
                    pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(delete=f"{args.delete_timeout}s")),
                ),
            )
            made = [namespace]
            self.namespace_name = namespace.metadata.name
        within = pulumi.ResourceOptions(parent=self, depends_on=made)
        self.first = pulumi.ResourceOptions(depends_on=made)  # for all others: they wait for the namespace alone
        k8s.core.v1.ServiceAccount(
            f"{name}-workers",
            metadata=metadata(args.service_account, args.namespace, args.labels),
            automount_service_account_token=False,
            opts=within,
        )
        if args.token is not None and args.token_secret:
            k8s.core.v1.Secret(
                f"{name}-token",
                metadata=metadata(args.token_secret, args.namespace, args.labels),
                type="Opaque",
                data={TOKEN_KEY: args.token.apply(lambda token: b64encode(token.encode()).decode())},
                opts=within,
            )
        self.register_outputs({"namespaceName": self.namespace_name})
