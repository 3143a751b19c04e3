"""Runs the program or a component against a monitor that keeps every request to the engine."""

import asyncio
import contextvars
import gc
import json
import logging
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pulumi
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime import resource
from pulumi.runtime.mocks import MockCallArgs, MockEngine, MockMonitor, MockResourceArgs, Mocks, MockSettings
from pulumi.runtime.proto.source_pb2 import StackTrace
from pulumi.runtime.stack import run_in_stack

ROOT = Path(__file__).resolve().parent.parent
STATE = "pulumi:pulumi:readStackResourceOutputs"
SECRET = "4dabf18193072939515e22adb298388d"
"""Key that marks a special value on the wire; the text below it is the kind of the value."""


class Echo(Mocks):
    """Returns every resource unchanged; the program looks up nothing but its own state."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = state

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: MockCallArgs) -> Any:
        assert args.token == STATE, f"the program must not invoke {args.token}"
        return {"outputs": dict(self.state)}


@dataclass(frozen=True)
class Declared:
    """One resource as the engine receives it."""

    urn: str
    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    request: Any

    @property
    def key(self) -> str:
        """`Kind/name` of the Kubernetes object."""
        return f"{self.inputs['kind']}/{self.inputs['metadata']['name']}"

    @property
    def is_object(self) -> bool:
        return self.type.startswith("kubernetes:")


class _Keep(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__()
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.levelname.lower()}: {record.getMessage()}")


class Recorder(MockMonitor):
    """Keeps the requests by URN; two resources of one URN are an error."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(Echo(state or {}))
        self.declared: dict[str, Declared] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        self.messages: list[str] = []
        self.logger = logging.Logger("engine", logging.INFO)
        self.logger.addHandler(_Keep(self.messages))

    def RegisterResource(self, request: Any) -> Any:
        reply = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != "pulumi:pulumi:Stack":
            assert reply.urn not in self.declared, f"declared twice: {reply.urn}"
            inputs = json_format.MessageToDict(request.object)
            self.declared[reply.urn] = Declared(
                reply.urn, request.type, request.name, request.parent, _whole_numbers(inputs), request
            )
        return reply

    def RegisterResourceOutputs(self, request: Any) -> Any:
        self.outputs[request.urn] = json_format.MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]

    @property
    def objects(self) -> dict[str, dict[str, Any]]:
        """Kubernetes objects by `Kind/name`."""
        return {each.key: each.inputs for each in self.declared.values() if each.is_object}

    @property
    def components(self) -> list[Declared]:
        return [each for each in self.declared.values() if each.type.startswith("llm-d-pd:")]

    @property
    def stack_outputs(self) -> dict[str, Any]:
        [stack] = [outputs for urn, outputs in self.outputs.items() if "::pulumi:pulumi:Stack::" in urn]
        whole: dict[str, Any] = _whole_numbers(stack)
        return whole


def record(
    declare: Callable[[], Any],
    *,
    config: Mapping[str, str] | None = None,
    secrets: tuple[str, ...] = (),
    stack: str = "test",
    preview: bool = False,
    recorder: Recorder | None = None,
) -> Recorder:
    """Run `declare` as a Pulumi program, and return its requests to the engine.

    Pass a `recorder` to keep the requests of a program that fails.
    """
    recorder = recorder or Recorder()

    def run() -> None:  # in a separate context: the SDK's settings and root stack are context variables
        features = set(recorder.GetDeploymentInfo(Empty()).supportedFeatures)  # type: ignore[no-untyped-call]
        settings = MockSettings(  # type: ignore[no-untyped-call]
            monitor=recorder,
            monitor_features=features,
            engine=MockEngine(recorder.logger),
            project="llm-d-pd",
            stack=stack,
            dry_run=preview,
        )
        pulumi.runtime.configure(settings)
        pulumi.runtime.set_all_config(dict(config or {}), list(secrets))
        asyncio.run(run_in_stack(declare))

    try:
        # The SDK reads the source of every frame for every resource: under pytest a quarter of a run.
        with patch.object(resource, "_get_stack_trace", StackTrace):
            contextvars.Context().run(run)
    finally:
        gc.enable()  # the program disables it; in this longer process, event loops and their files would add up
    return recorder


def run_program(
    serving: Mapping[str, Any] | None,
    *,
    token: str | None = "hf_secret",
    more: Mapping[str, str] | None = None,
    secrets: tuple[str, ...] = ("llm-d-pd:hfToken",),
    stack: str = "test",
    preview: bool = False,
    recorder: Recorder | None = None,
) -> Recorder:
    config = {"llm-d-pd:serving": json.dumps(serving)} if serving is not None else {}
    if token is not None:
        config["llm-d-pd:hfToken"] = token
    program = str(ROOT / "__main__.py")
    return record(
        lambda: runpy.run_path(program),
        config={**config, **(more or {})},
        secrets=secrets,
        stack=stack,
        preview=preview,
        recorder=recorder,
    )


def _whole_numbers(value: Any) -> Any:
    """Turn JSON's floating-point numbers into the whole numbers of Kubernetes."""
    if isinstance(value, dict):
        return {key: _whole_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def plain(value: Any) -> Any:
    """Return the recorded object without the marks of secrets."""
    if isinstance(value, dict):
        marked = len(value) == 2 and "value" in value and any(len(key) == 32 for key in value)
        return plain(value["value"]) if marked else {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value
