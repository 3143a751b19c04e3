"""A plugin process: a gRPC server whose port the CLI reads from the first line of output."""

import os
import threading
from collections.abc import Callable
from concurrent import futures

import grpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS

WORKERS = 256
"""Threads, started as needed: an operation that waits for a Deployment holds one for minutes."""


def serve(add_to: Callable[[grpc.Server], None]) -> grpc.Server:
    """Serve on a free port of 127.0.0.1 and print it. The server stops when the caller drops it."""
    threading.Thread(target=_end_with_caller, daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS), options=_GRPC_CHANNEL_OPTIONS)
    add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    return server


def _end_with_caller() -> None:
    """The CLI holds our standard input open as long as it lives; a killed one must not leave us behind."""
    while os.read(0, 1024):
        pass
    os._exit(0)
