"""Wiring only: settings, plan, components, outputs. Everything is decided before the first resource."""

# ruff: noqa: E402
import gc

gc.disable()  # the program lives for a second, and collecting garbage would take a tenth of it

import pulumi

from components import cluster, config, exports, plan
from components.decode_tier import DecodeTier
from components.endpoint_picker import EndpointPicker
from components.inference_pool import InferencePool
from components.model_gateway import ModelGateway
from components.monitoring import Monitoring
from components.network_isolation import NetworkIsolation
from components.plan.platform_args import TargetClusterArgs
from components.pods import pairing
from components.prefill_tier import PrefillTier
from components.serving_namespace import ServingNamespace
from components.target_cluster import TargetCluster
from preflight.program import before_anything
from verify import during_up

draft = config.read(pulumi.Config())
target = cluster.find(draft.settings.cluster)
cross = plan.check(draft.settings, token_given=draft.token is not None)
config.refuse(pulumi.get_stack(), [*draft.problems, *cross, *target.problems()])
serving = plan.resolve(draft.settings, draft.token)
target.announce()
if serving.report:
    pulumi.info(serving.report)
for note in serving.notes:
    pulumi.warn(note)

uid, state = before_anything(serving, target)
if changed := pairing.changes(serving, state.inputs):
    serving = pairing.replacing(serving, changed)
    pulumi.warn(pairing.note(serving, changed))

TargetCluster("target-cluster", TargetClusterArgs(uid=uid))
chosen = pulumi.ResourceOptions(provider=cluster.provider(serving.cluster, adopt=serving.adopt))
namespace = ServingNamespace("serving-namespace", serving.namespace, chosen)
within = pulumi.ResourceOptions.merge(chosen, namespace.first)

pool = InferencePool("inference-pool", serving.pool, within)
picker = EndpointPicker("endpoint-picker", serving.picker, within)
gateway = ModelGateway("model-gateway", serving.gateway, within)
prefill = PrefillTier("prefill", serving.prefill, within)
decode = DecodeTier("decode", serving.decode, within)
if serving.monitoring:
    Monitoring("monitoring", serving.monitoring, within)
if serving.isolation:
    NetworkIsolation("network-isolation", serving.isolation, within)

during_up.start(
    serving.namespace.namespace,
    target.context,
    {
        serving.picker.name: picker.deployment.id,
        serving.prefill.worker.name: prefill.deployment.id,
        serving.decode.worker.name: decode.deployment.id,
        serving.gateway.name: gateway.address,
    },
    serving.waiting,
)
exports.publish(exports.contract(serving, target, gateway))
