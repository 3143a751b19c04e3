"""The component TargetCluster: records in the state which cluster the stack is in, by the UID of `kube-system`."""

import pulumi

from components.plan.platform_args import TargetClusterArgs


class TargetCluster(pulumi.ComponentResource):
    """No object of Kubernetes. Its outputs are in the state once it is declared, whatever happens to the objects."""

    uid: pulumi.Output[str]
    """UID of the namespace kube-system; empty while no cluster has been seen."""
    ordered: pulumi.Output[bool]
    """Whether the state has the order in which a generation is made and deleted: the dependencies of its objects."""

    def __init__(self, name: str, args: TargetClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:TargetCluster", name, None, opts)
        args = TargetClusterArgs.of(args)
        self.uid = pulumi.Output.from_input(args.uid)
        self.ordered = pulumi.Output.from_input(True) if args.ordered is None else args.ordered
        self.register_outputs({"uid": self.uid, "ordered": self.ordered})
