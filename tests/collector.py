"""An OpenTelemetry collector: takes spans over gRPC and writes one line of JSON for each. Run it where pods reach it:
`python -m tests.collector <port> <file>`."""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

Span = dict[str, str]
"""Service, name and trace identifier of a span."""


class _Receiver(TraceServiceServicer):
    def __init__(self, keep: Callable[[Span], object]) -> None:
        self._keep = keep

    def Export(self, request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self._keep({"service": named["service.name"], "name": span.name, "trace": span.trace_id.hex()})
        return ExportTraceServiceResponse()


@contextmanager
def listening(address: str, keep: Callable[[Span], object]) -> Iterator[int]:
    """Take spans at `address` ("127.0.0.1:0" = any free port); yield the port."""
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(_Receiver(keep), server)  # type: ignore[no-untyped-call]  # generated
    port = server.add_insecure_port(address)
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def main(port: str, file: str) -> None:
    """Write every span to the file until the process is killed."""
    with Path(file).open("a", buffering=1) as lines, listening(f"0.0.0.0:{port}", lambda span: _write(lines, span)):
        print("listening", flush=True)
        sys.stdin.read()


def _write(lines: object, span: Span) -> None:
    print(json.dumps(span), file=lines)  # type: ignore[call-overload]  # an open text file


if __name__ == "__main__":
    main(*sys.argv[1:])
