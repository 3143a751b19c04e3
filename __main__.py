"""The Pulumi program: settings, plan, preflight, components, outputs. The plan is made before the first resource."""

# ruff: noqa: E402
import gc

gc.disable()  # the program runs for about a second, and garbage collection would take a tenth of it

from components import stack_state

reading = stack_state.read()

import pulumi

from components import config, exports, kubernetes_provider, plan
from components.generation import Generation
from components.model_gateway import ModelGateway
from components.monitoring import Monitoring
from components.names import suffix
from components.network_isolation import NetworkIsolation
from components.plan.platform_args import TargetClusterArgs
from components.pods import pairing
from components.serving_namespace import ServingNamespace
from components.target_cluster import TargetCluster
from preflight import generations
from preflight.program import before_anything
from verify import during_up

draft = config.read(pulumi.Config())
target = kubernetes_provider.find(draft.settings.cluster)
cross = plan.check(draft.settings, token_given=draft.token is not None)
config.refuse(pulumi.get_stack(), [*draft.problems, *cross, *target.problems()])
serving = plan.resolve(draft.settings, draft.token)
target.announce()
if serving.report:
    pulumi.info(serving.report)
for note in serving.notes:
    pulumi.warn(note)

uid, state = before_anything(serving, target, reading)
config.refuse(pulumi.get_stack(), list(generations.problems(serving, state)))
for note in generations.notes(serving, state):
    pulumi.warn(note)
serving = generations.resolved(serving, state)
serving = pairing.replacing(serving, pairing.changes(serving, state.inputs))

during_up.start(serving.namespace.namespace, target.context, serving.waiting)
chosen = pulumi.ResourceOptions(provider=kubernetes_provider.provider(serving.cluster, adopt=serving.adopt))
namespace = ServingNamespace("serving-namespace", serving.namespace, chosen)
within = pulumi.ResourceOptions.merge(chosen, namespace.first)

generation = Generation(serving, within)
gateway = ModelGateway("model-gateway", serving.gateway, within, generation.declare)
last = [*(tier.deployment for tier in generation.tiers), *gateway.switch]
recorded = None if state.ordered else pulumi.Output.all(*(each.urn for each in last)).apply(bool)
TargetCluster("target-cluster", TargetClusterArgs(uid=uid, ordered=recorded))
if serving.monitoring:
    Monitoring("monitoring", serving.monitoring, within)
if serving.isolation:
    NetworkIsolation(f"network-isolation{suffix(serving.generation)}", serving.isolation, within)

for key, value in exports.contract(serving, target, gateway).items():
    pulumi.export(key, value)
