"""Telling: failures in the official plugin's words, and the lines that the CLI shows beside a resource."""

import threading
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from sandbox.cluster.api import ApiError, Object
from sandbox.cluster.kubeconfig import Unreachable
from sandbox.engine.kubernetes import checkpoint
from sandbox.engine.kubernetes.cluster import NoSuchKind
from sandbox.engine.kubernetes.objects import Unfinished
from sandbox.engine.kubernetes.values import encode
from sandbox.engine.kubernetes.waiting import Cancelled, NotReady


class Reporter:
    """The engine's screen."""

    def __init__(self, engine_address: str) -> None:
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine_address, options=_GRPC_CHANNEL_OPTIONS))
        self._warned = threading.Event()

    def status_of(self, urn: str) -> Callable[[str], None]:
        """A function that shows a passing line beside the resource, each text once in a row."""
        said = [""]

        def say(text: str) -> None:
            if text != said[0]:
                said[0] = text
                self._log(engine_pb2.INFO, text, urn, ephemeral=True)

        return say

    def warn_once(self, text: str) -> None:
        """A warning about the provider as a whole."""
        if not self._warned.is_set():
            self._warned.set()
            self._log(engine_pb2.WARNING, text, "", ephemeral=False)

    def _log(self, severity: Any, text: str, urn: str, *, ephemeral: bool) -> None:
        self._engine.Log(engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=ephemeral))


def refuse(context: Any, message: str, inputs: dict[str, Any]) -> NoReturn:
    """End the request with an error."""
    context.abort(grpc.StatusCode.UNKNOWN, checkpoint.redacted(message, inputs))
    raise AssertionError("abort raises")


def leave_unfinished(context: Any, intro: str, inputs: dict[str, Any], error: Unfinished) -> NoReturn:
    """End the request with an error that carries the object, so that the engine keeps it in the state."""
    reasons = [checkpoint.redacted(text, inputs) for text in (f"{intro}: {error}", *error.reasons)]
    detail = pb.ErrorResourceInitFailed(
        id=checkpoint.id_of(error.live),
        properties=encode(checkpoint.checkpoint(inputs, error.live)),
        inputs=encode(inputs),
        reasons=reasons,
    )
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reasons[0], details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, reasons[0])
    raise AssertionError("abort raises")


def creation_failed(urn: str, obj: Object, error: Exception) -> str:
    """Why an object wasn't created."""
    if isinstance(error, NoSuchKind):
        return (
            f'creation of resource "{urn}" with kind {obj["apiVersion"]}/{obj["kind"]} failed because the Kubernetes '
            "API server reported that the apiVersion for this resource does not exist. Verify that any required CRDs "
            f"have been created: {error.message}"
        )
    if isinstance(error, Unreachable):
        return said(error)
    return f'resource "{urn}" was not successfully created by the Kubernetes API server: {said(error)}'


def created_unready(urn: str) -> str:
    """The words before the reason why a new object isn't ready."""
    return (
        f'resource "{urn}" was successfully created, but the Kubernetes API server reported that it failed to fully '
        "initialize or become live"
    )


def updated_unready(resource_id: str) -> str:
    """The words before the reason why an updated object isn't ready."""
    return f'the Kubernetes API server reported that "{resource_id}" failed to fully initialize or become live'


def update_failed(urn: str, error: Exception) -> str:
    """Why an object wasn't updated."""
    return f'update of resource "{urn}" failed: {said(error)}'


def said(error: Exception) -> str:
    """The text of an error, with its type when it is none of ours."""
    if isinstance(error, Unreachable):
        return f"configured Kubernetes cluster is unreachable: {error}"
    if isinstance(error, Cancelled):
        return "the operation was cancelled"
    if isinstance(error, ApiError):
        return error.message
    if isinstance(error, NotReady):
        return str(error)
    return f"{type(error).__name__}: {error}"
