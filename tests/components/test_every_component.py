"""Each component alone: with typed arguments, with a mapping, and through the SDK's component provider host."""

from collections.abc import Callable
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.schema import generate_schema
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from components.config.reading import settings_of
from components.endpoint_picker import EndpointPicker
from components.inference_pool import InferencePool
from components.model_gateway import ModelGateway
from components.monitoring import Monitoring
from components.network_isolation import NetworkIsolation
from components.plan import ServingPlan, resolve
from components.plan.platform_args import ServingNamespaceArgs, TargetClusterArgs
from components.serving_namespace import ServingNamespace
from components.target_cluster import TargetCluster
from components.worker_tiers import DecodeTier, PrefillTier
from tests.program.wire import requests
from tests.recorder import Recorder, record

Component = Any
"""A component class: (name, args, opts)."""

COMPONENTS: dict[str, Component] = {
    "namespace": ServingNamespace,
    "gateway": ModelGateway,
    "pool": InferencePool,
    "picker": EndpointPicker,
    "prefill": PrefillTier,
    "decode": DecodeTier,
    "monitoring": Monitoring,
    "isolation": NetworkIsolation,
}
"""By the plan's field that holds its arguments."""

EVERY: list[Component] = [*COMPONENTS.values(), TargetCluster]
"""And the one with an argument that only the cluster knows."""

VARIANTS: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("variants.yaml").read_text())


def _plan(variant: str) -> ServingPlan:
    settings, problems = settings_of(VARIANTS[variant])
    assert not problems
    return resolve(settings, None)


def _build(component: Component, args: Any) -> Recorder:
    return record(lambda: component("it", args, pulumi.ResourceOptions()))


def _python_names(args: Any) -> Any:
    """What a component provider host passes: mappings by Python name, no value where there is none."""
    if isinstance(args, BaseModel):
        return {name: _python_names(value) for name, value in args if value is not None}
    if isinstance(args, dict):
        return {key: _python_names(value) for key, value in args.items()}
    return [_python_names(each) for each in args] if isinstance(args, list) else args


def _schema_names(args: Any) -> Any:
    """What another language sends: camel case, text for enumerations, fractions for all numbers."""
    if isinstance(args, BaseModel):
        return {to_camel(name): _schema_names(value) for name, value in args if value is not None}
    if isinstance(args, dict):
        return {key: _schema_names(value) for key, value in args.items()}
    if isinstance(args, list):
        return [_schema_names(each) for each in args]
    if isinstance(args, Enum):
        return args.value
    return float(args) if isinstance(args, int) and not isinstance(args, bool) else args


@cache
def _host() -> ComponentProvider:
    return ComponentProvider(EVERY, "llm-d-pd", version="1.0.0")


def _through_the_host(component: Component, args: Any) -> Recorder:
    token = f"llm-d-pd:index:{component.__name__}"
    return record(lambda: _host().construct("it", token, _schema_names(args), pulumi.ResourceOptions()))


def _from_mapping(component: Component, args: Any) -> Recorder:
    return _build(component, _python_names(args))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("way", [_from_mapping, _through_the_host])
@pytest.mark.parametrize("part", COMPONENTS)
def test_a_component_says_the_same_however_its_arguments_come(
    part: str, way: Callable[[Component, Any], Recorder], variant: str
) -> None:
    component, args = COMPONENTS[part], getattr(_plan(variant), part)
    typed = requests(_build(component, args))
    assert len(typed) > 1
    assert requests(way(component, args)) == typed


@pytest.mark.parametrize("way", [_build, _from_mapping, _through_the_host])
def test_the_remembered_cluster_is_an_output(way: Callable[[Component, Any], Recorder]) -> None:
    recorder = way(TargetCluster, TargetClusterArgs(uid="1111"))
    assert [outputs for outputs in recorder.outputs.values() if outputs] == [{"uid": "1111", "ordered": True}]


def test_a_token_from_a_mapping_is_a_secret_whatever_it_was() -> None:
    args = _python_names(_plan("full").namespace)
    recorder = _build(ServingNamespace, {**args, "token_secret": "llm-d-hf-token", "token": "hf_x"})
    secret = recorder.objects["Secret/llm-d-hf-token"]
    assert "aGZfeA==" in str(secret["data"])
    assert "4dabf18193072939515e22adb298388d" in str(secret["data"]), "not marked as a secret"


def test_a_token_is_a_secret_from_the_moment_it_is_an_argument() -> None:
    given = {**_python_names(_plan("full").namespace), "token": "hf_x"}

    def program() -> None:
        token = ServingNamespaceArgs.of(given).token
        assert token is not None
        pulumi.export("isSecret", token.is_secret())

    assert record(program).stack_outputs == {"isSecret": True}


@pytest.mark.parametrize("part", COMPONENTS)
def test_an_unknown_argument_is_refused(part: str) -> None:
    args = _python_names(getattr(_plan("full"), part))
    with pytest.raises(ValueError, match="replicaz"):
        _build(COMPONENTS[part], {**args, "replicaz": 1})


def test_children_inherit_nothing_but_the_parent() -> None:
    """An alias or ignored change of the component is not copied to its children."""
    options = pulumi.ResourceOptions(aliases=[pulumi.Alias(name="old")], ignore_changes=["x"])
    recorder = record(lambda: EndpointPicker("it", _plan("full").picker, options))
    children = [each.request for each in recorder.declared.values() if each.is_object]
    assert children
    assert not [child for child in children if list(child.ignoreChanges)]


@cache
def analysed() -> Any:
    return Analyzer("llm-d-pd").analyze(EVERY)


def test_every_component_analyses_for_other_languages() -> None:
    found = analysed()
    assert found["component_definitions"].keys() == {each.__name__ for each in EVERY}
    for name, each in found["component_definitions"].items():
        assert each.inputs, f"{name} has no inputs"
        assert each.outputs, f"{name} has no outputs"
        assert each.description, name


def test_no_type_of_the_schema_is_empty_and_every_type_is_described() -> None:
    for name, each in analysed()["type_definitions"].items():
        assert each.properties or each.enum, f"{name} would be an object without properties"
        assert each.description, name


def test_a_schema_is_generated_with_our_type_tokens() -> None:
    found = analysed()
    schema = generate_schema(
        "llm-d-pd",
        "1.0.0",
        None,
        found["component_definitions"],
        found["type_definitions"],
        sorted(found["dependencies"], key=str),
    ).to_json()
    assert schema["resources"].keys() == {f"llm-d-pd:index:{each.__name__}" for each in EVERY}
    assert all(each["isComponent"] for each in schema["resources"].values())
    assert "llm-d-pd:index:ResolvedTier" in schema["types"]
