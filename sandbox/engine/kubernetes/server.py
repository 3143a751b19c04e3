"""The plugin's process and its gRPC service: requests of the engine in, results of the API server out.

What the stand-in lacks is refused. Failures have the official plugin's texts.
"""

import importlib.metadata
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from sandbox.cluster.api import ApiError, Object, Unreachable
from sandbox.engine.kubernetes import diff, readiness, state
from sandbox.engine.kubernetes.diff import inputs_as_lived
from sandbox.engine.kubernetes.objects import Cancelled, Canceller, Cluster, NoSuchKind, NotReady, Objects, Unfinished
from sandbox.engine.kubernetes.state import UNKNOWN, Settings, decode, encode, has_unknown, marked, plain
from sandbox.engine.plugin import serve

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


_TO_LIVE = "to fully initialize or become live"
_WAIT_SECONDS = 600.0
"""The official plugin's default timeout for readiness and deletion."""


class KubernetesProvider(provider_pb2_grpc.ResourceProviderServicer):
    """One Kubernetes provider of a stack."""

    def __init__(self, version: str, engine_address: str) -> None:
        self._version = version
        self._reporter = Reporter(engine_address)
        self._canceller = Canceller()
        self._configure(Settings())

    def _configure(self, given: Settings) -> None:
        self._objects = Objects(Cluster(given.context), given, self._canceller)

    def Handshake(self, request: Any, context: Any) -> pb.ProviderHandshakeResponse:
        """Report that the plugin supports secrets."""
        return pb.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        """Return the version of the official plugin that this one replaces."""
        return plugin_pb2.PluginInfo(version=self._version)

    def CheckConfig(self, request: pb.CheckRequest, context: Any) -> pb.CheckResponse:
        """Refuse the settings that only the official plugin has."""
        refused = of_settings(decode(request.news))
        failures = [pb.CheckFailure(property=name, reason=why) for name, why in refused]
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: pb.DiffRequest, context: Any) -> pb.DiffResponse:
        """Compare the settings; another cluster replaces all objects."""
        return diff.compare_config(decode(request.old_inputs), decode(request.news))

    def Configure(self, request: pb.ConfigureRequest, context: Any) -> pb.ConfigureResponse:
        """Take the settings, without a request to the cluster."""
        self._configure(Settings.of(decode(request.args)))
        return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: pb.CheckRequest, context: Any) -> pb.CheckResponse:
        """Check a resource's inputs."""
        news = decode(request.news)
        failures = [pb.CheckFailure(reason=f"{name}: {why}") for name, why in of_object(plain(news))]
        return pb.CheckResponse(inputs=encode(marked(news, news)), failures=failures)

    def Diff(self, request: pb.DiffRequest, context: Any) -> pb.DiffResponse:
        """Compare without a request to the API server, except for a Job that is replaced unless it is complete."""
        old, new = plain(decode(request.old_inputs)), plain(decode(request.news))
        found = diff.compare(old, decode(request.olds), new, list(request.ignoreChanges))
        if new["kind"] == "Job" and readiness.annotations_of(new).get(readiness.REPLACE_UNREADY) == "true":
            live = self._objects.read(old)
            if live is not None and self._objects.unready(new, live):
                return diff.replaced(found, ("metadata", "annotations", readiness.REPLACE_UNREADY))
        return found

    def Create(self, request: pb.CreateRequest, context: Any) -> pb.CreateResponse:
        """Create the object, or make a dry run in a preview."""
        inputs = decode(request.properties)
        if request.preview:
            return pb.CreateResponse(properties=self._tried(request, inputs, context, new=True))
        obj = plain(inputs)
        say = self._reporter.status_of(request.urn)
        try:
            live = self._objects.create(obj, _seconds(request), say, preview=False)
        except Unfinished as error:
            made = f'resource "{request.urn}" was successfully created, but the Kubernetes API server reported that it'
            leave_unfinished(context, f"{made} failed {_TO_LIVE}", inputs, error)
        except Exception as error:
            refuse(context, creation_failed(request.urn, obj, error), inputs)
        return pb.CreateResponse(id=state.id_of(live), properties=encode(state.checkpoint(inputs, live)))

    def Update(self, request: pb.UpdateRequest, context: Any) -> pb.UpdateResponse:
        """Apply the inputs over the object."""
        inputs = decode(request.news)
        if request.preview:
            return pb.UpdateResponse(properties=self._tried(request, inputs, context, new=False))
        obj = plain(inputs)
        try:
            say, ignored = self._reporter.status_of(request.urn), list(request.ignoreChanges)
            live = self._objects.update(obj, _seconds(request), say, preview=False, ignored=ignored)
        except Unfinished as error:
            intro = f'the Kubernetes API server reported that "{request.id}" failed {_TO_LIVE}'
            leave_unfinished(context, intro, inputs, error)
        except Exception as error:
            refuse(context, f'update of resource "{request.urn}" failed: {describe(error)}', inputs)
        return pb.UpdateResponse(properties=encode(state.checkpoint(inputs, live)))

    def _tried(self, request: Any, inputs: dict[str, Any], context: Any, *, new: bool) -> Any:
        """Return the result of the server's dry run, or the inputs if no dry run is possible."""
        echo, obj = encode(inputs), plain(inputs)
        if has_unknown(inputs):
            return echo
        try:
            if new:
                tried = self._objects.create(obj, 0, _silently, preview=True)
                return encode(state.preview_of(inputs, tried))
            tried = self._objects.update(obj, 0, _silently, preview=True, ignored=list(request.ignoreChanges))
            return encode(state.checkpoint(inputs, tried))
        except Unreachable as error:
            self._reporter.warn_once(f"this preview is not checked by an API server: {error}")
            return echo
        except ApiError as error:
            later = error.code == 404 or error.reason == "AlreadyExists" if new else isinstance(error, NoSuchKind)
            if later or error.code == 403:  # only the real `up` can show it; RBAC may forbid only the dry run
                return echo
            failed = f'update of resource "{request.urn}" failed: {describe(error)}'
            refuse(context, creation_failed(request.urn, obj, error) if new else failed, inputs)

    def Read(self, request: pb.ReadRequest, context: Any) -> pb.ReadResponse:
        """Return the live object for a refresh; an empty answer when it is gone."""
        inputs = decode(request.inputs)
        if not inputs:
            refuse(context, f"an import of {request.id!r} needs the official Kubernetes plugin", {})
        obj = state.identified(plain(inputs), request.id)
        try:
            live = self._objects.read(obj)
        except Exception as error:
            refuse(context, f"failed to read {request.id!r}: {describe(error)}", inputs)
        if live is None:
            return pb.ReadResponse()
        lived = inputs_as_lived(plain(inputs), live)
        lived_inputs = marked(lived, inputs)
        progress = self._objects.unready(lived, live)
        if progress:
            unready = Unfinished(live, NotReady(f"{live['metadata']['name']!r} is not ready", progress.reasons))
            leave_unfinished(context, f"resource {request.urn}", lived_inputs, unready)
        properties = encode(state.checkpoint(lived_inputs, live))
        return pb.ReadResponse(id=request.id, properties=properties, inputs=encode(lived_inputs))

    def Delete(self, request: pb.DeleteRequest, context: Any) -> empty_pb2.Empty:
        """Delete the object and wait until it is gone."""
        properties = decode(request.properties)
        obj = state.identified(state.live_part(properties), request.id)
        try:
            self._objects.delete(obj, _seconds(request), self._reporter.status_of(request.urn))
        except Exception as error:
            refuse(context, f"deletion of resource {request.urn} failed: {describe(error)}", properties)
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        """Stop all waits; the state keeps existing objects."""
        self._canceller.cancel()
        return empty_pb2.Empty()

    def Invoke(self, request: pb.InvokeRequest, context: Any) -> pb.InvokeResponse:
        """Refuse every function of the official plugin."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.tok} needs the official Kubernetes plugin")
        raise AssertionError("abort raises")


def _seconds(request: Any) -> float:
    return request.timeout or _WAIT_SECONDS


def _silently(text: str) -> None:
    """Ignore progress, because a dry run has none."""


def main() -> None:
    """Serve until the CLI interrupts the process; the last argument is the engine's address."""
    provider = KubernetesProvider(importlib.metadata.version("pulumi-kubernetes"), sys.argv[-1])
    server = serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server))
    server.wait_for_termination()
