"""The process of a Pulumi plugin: a gRPC server. The CLI reads its port from the first line of output."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent import futures

import grpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS

WORKERS = 256
"""Most threads. An operation that waits for a Deployment holds one for minutes."""


def serve(add_to: Callable[[grpc.Server], None]) -> grpc.Server:
    """Serve on a free port of 127.0.0.1 and print it, until the CLI interrupts the process.

    The server stops when the caller releases it.
    """
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, lambda *_: os._exit(0))
    threading.Thread(target=_end_with_caller, daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS), options=_GRPC_CHANNEL_OPTIONS)
    add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    return server


def _end_with_caller() -> None:
    """End with the CLI, which keeps standard input open: a killed CLI must not leave this process behind."""
    while os.read(0, 1024):
        pass
    os._exit(0)
