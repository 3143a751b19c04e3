"""Envoy's configuration: every request is shown to the picker, and goes to the worker that the picker names.

As istio configures its gateways for an InferencePool (1.28 and newer), in a static file: the picker is an external
processor, bodies stream through it both ways, and nothing that takes long is a failure. What differs: the named worker
is spoken to whether Envoy knew of it or not (original destination), so that none is too new; the pool's other workers
are known by DNS, and serve while the picker is away and the failure mode is FailOpen.
"""

from components.gateways.args import ModelGatewayArgs, StandaloneArgs
from components.gateways.standalone.clusters import ADMIN_PORT, clusters
from components.gateways.standalone.listeners import listeners
from components.gateways.standalone.parts import Json, address


def bootstrap(args: ModelGatewayArgs, own: StandaloneArgs) -> Json:
    """All of Envoy's configuration."""
    return {
        "node": {"id": own.name, "cluster": args.namespace},  # who asks for certificates, even where files answer
        "admin": {"address": address("127.0.0.1", ADMIN_PORT)},
        "static_resources": {"listeners": listeners(args, own), "clusters": clusters(args, own)},
    }
