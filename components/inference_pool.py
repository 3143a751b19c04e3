"""The InferencePool: the pods that serve, and the endpoint picker that chooses among them."""

import pulumi

from components.manifests import Manifest
from components.names import POOL_GROUP
from components.plan.platform_args import InferencePoolArgs
from components.registration import declare


class InferencePool(pulumi.ComponentResource):
    """InferencePool v1: both tiers of one install, and its endpoint picker."""

    pool_name: pulumi.Output[str]

    def __init__(self, name: str, args: InferencePoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:InferencePool", name, None, opts)
        args = InferencePoolArgs.of(args)
        declare(name, objects(args), pulumi.ResourceOptions(parent=self))
        self.pool_name = pulumi.Output.from_input(args.name)
        self.register_outputs({"poolName": self.pool_name})


def objects(args: InferencePoolArgs) -> list[Manifest]:
    """The InferencePool, and an InferenceObjective for each priority."""
    spec = {
        "selector": {"matchLabels": args.selector},
        "targetPorts": [{"number": args.target_port}],
        "endpointPickerRef": {
            "group": "",
            "kind": "Service",
            "name": args.picker,
            "port": {"number": args.picker_port},
            "failureMode": args.failure_mode.value,
        },
    }
    kind = (f"{POOL_GROUP}/v1", "InferencePool")
    pool = Manifest("pool", *kind, args.name, args.namespace, args.labels, {"spec": spec})
    ref = {"group": POOL_GROUP, "kind": "InferencePool", "name": args.name}
    objectives = [
        Manifest(
            name,
            args.objective_version,
            "InferenceObjective",
            name,
            args.namespace,
            args.labels,
            {"spec": {"priority": priority, "poolRef": ref}},
        )
        for name, priority in args.objectives.items()
    ]
    return [pool, *objectives]
