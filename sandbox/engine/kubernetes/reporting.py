"""Refusals of the stand-in, failures with the official plugin's texts, and lines for the CLI's screen."""

import threading
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from sandbox.cluster.api import ApiError, Object, Unreachable
from sandbox.engine.kubernetes import readiness, state
from sandbox.engine.kubernetes.cluster import NoSuchKind
from sandbox.engine.kubernetes.objects import Cancelled, NotReady, Unfinished
from sandbox.engine.kubernetes.values import UNKNOWN, encode, plain

Refusal = tuple[str, str]
"""A property, and the reason why it is refused."""

_TAKEN = {"kubeconfig", "context", "clusterIdentifier", "upsertExistingObjects", "enablePatchForce"}
_IN_PLACE = {"enableConfigMapMutable", "enableSecretMutable"}
_ENGINE_OWN = {"version", "pluginDownloadURL"}


def of_settings(given: dict[str, Any]) -> list[Refusal]:
    """Return refusals of provider settings that the stand-in lacks."""
    values = plain(given)
    unknown = values.keys() - _TAKEN - _IN_PLACE - _ENGINE_OWN
    found = [(name, "it needs the official Kubernetes plugin") for name in sorted(unknown) if name[:2] != "__"]
    found += [
        (name, "the sandbox changes ConfigMaps and Secrets in place only: set it to true")
        for name in sorted(_IN_PLACE)
        if str(values.get(name)).lower() != "true"
    ]
    if values.get("kubeconfig"):
        found.append(("kubeconfig", "the sandbox has its own: leave it empty"))
    return found


def of_object(inputs: dict[str, Any]) -> list[Refusal]:
    """Return refusals of an object's fields; otherwise a misspelt annotation would be ignored."""
    metadata = inputs.get("metadata")
    if metadata is UNKNOWN:
        return []
    found = [] if "name" in (metadata or {}) else [("metadata.name", "the sandbox makes no names: set one")]
    known = (readiness.SKIP_AWAIT, readiness.WAIT_FOR, readiness.REPLACE_UNREADY)
    found += [
        (f'metadata.annotations["{name}"]', f"the sandbox knows only {', '.join(known)}")
        for name in readiness.annotations_of(inputs)
        if name.startswith("pulumi.com/") and name not in known
    ]
    try:
        readiness.conditions(inputs)
    except ValueError as error:
        found.append((f'metadata.annotations["{readiness.WAIT_FOR}"]', str(error)))
    return found


class Reporter:
    """Writes to the engine's screen."""

    def __init__(self, engine_address: str) -> None:
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine_address, options=_GRPC_CHANNEL_OPTIONS))
        self._warned = threading.Event()

    def status_of(self, urn: str) -> Callable[[str], None]:
        """Return a function that shows a temporary line beside the resource; repeated texts show once."""
        last = [""]

        def say(text: str) -> None:
            if text != last[0]:
                last[0] = text
                self._log(engine_pb2.INFO, text, urn, ephemeral=True)

        return say

    def warn_once(self, text: str) -> None:
        """Show a warning about the provider once."""
        if not self._warned.is_set():
            self._warned.set()
            self._log(engine_pb2.WARNING, text, "", ephemeral=False)

    def _log(self, severity: Any, text: str, urn: str, *, ephemeral: bool) -> None:
        self._engine.Log(engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=ephemeral))


def refuse(context: Any, message: str, inputs: dict[str, Any]) -> NoReturn:
    """End the request with an error."""
    context.abort(grpc.StatusCode.UNKNOWN, state.redacted(message, inputs))
    raise AssertionError("abort raises")


def leave_unfinished(context: Any, intro: str, inputs: dict[str, Any], error: Unfinished) -> NoReturn:
    """End the request with an error that carries the object, so that the engine keeps it in the state."""
    reasons = [state.redacted(text, inputs) for text in (f"{intro}: {error}", *error.reasons)]
    detail = pb.ErrorResourceInitFailed(
        id=state.id_of(error.live),
        properties=encode(state.checkpoint(inputs, error.live)),
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
    """Return the error text for an object that was not created."""
    if isinstance(error, NoSuchKind):
        return (
            f'creation of resource "{urn}" with kind {obj["apiVersion"]}/{obj["kind"]} failed because the Kubernetes '
            "API server reported that the apiVersion for this resource does not exist. Verify that any required CRDs "
            f"have been created: {error.message}"
        )
    if isinstance(error, Unreachable):
        return describe(error)
    return f'resource "{urn}" was not successfully created by the Kubernetes API server: {describe(error)}'


def created_unready(urn: str) -> str:
    """Return the text before the reason why a new object is not ready."""
    return (
        f'resource "{urn}" was successfully created, but the Kubernetes API server reported that it failed to fully '
        "initialize or become live"
    )


def updated_unready(resource_id: str) -> str:
    """Return the text before the reason why an updated object is not ready."""
    return f'the Kubernetes API server reported that "{resource_id}" failed to fully initialize or become live'


def update_failed(urn: str, error: Exception) -> str:
    """Return the error text for an object that was not updated."""
    return f'update of resource "{urn}" failed: {describe(error)}'


def describe(error: Exception) -> str:
    """Return the text of an error; with its type if the sandbox does not define it."""
    if isinstance(error, Unreachable):
        return f"configured Kubernetes cluster is unreachable: {error}"
    if isinstance(error, Cancelled):
        return "the operation was cancelled"
    if isinstance(error, ApiError):
        return error.message
    if isinstance(error, NotReady):
        return str(error)
    return f"{type(error).__name__}: {error}"
