"""The stack's state before this run, which the engine reads and decrypts while the program is still imported."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
import pulumi
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import get_monitor

STATE = "pulumi:pulumi:readStackResourceOutputs"
"""The engine's own function for the outputs of all resources of a stack; here for this stack before this run."""

Resources = list[tuple[str, Any]]
"""Type and outputs of each resource."""


def read() -> Future[Resources | None]:
    """Ask the engine, and do not wait. The result is None where the engine does not say."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    return ThreadPoolExecutor(1).submit(_asked, get_monitor(), name)


def _asked(monitor: Any, stack: str) -> Resources | None:
    arguments = struct_pb2.Struct()
    arguments.update({"stackName": stack})
    try:
        answer = monitor.Invoke(resource_pb2.ResourceInvokeRequest(tok=STATE, args=arguments))
    except grpc.RpcError:
        return None
    outputs = json_format.MessageToDict(getattr(answer, "return")).get("outputs") or {}
    return [(each["type"], each.get("outputs")) for each in outputs.values()]
