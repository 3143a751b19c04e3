"""The plugin's process."""

import importlib.metadata
import os
import signal
import sys

from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.engine.kubernetes.server import KubernetesProvider
from sandbox.engine.serving import serve


def main() -> None:
    """Serve until the CLI interrupts us; its last argument is the engine's address."""
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, lambda *_: os._exit(0))
    provider = KubernetesProvider(importlib.metadata.version("pulumi-kubernetes"), sys.argv[-1])
    server = serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server))
    server.wait_for_termination()
