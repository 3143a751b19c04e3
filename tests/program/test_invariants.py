"""Properties of every combination: parents, provider, dependencies, outputs, arguments."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components.test_every_component import analysed
from tests.program.expected import EVERY, MODELS, Combination
from tests.program.policies import violations
from tests.program.wire import AMD, changed, default, recorded, requests, vllm
from tests.recorder import Recorder, run_program

NAMESPACE = "serving-namespace-namespace"
GATEWAY = "model-gateway-gateway"
TIERS = ("prefill-deployment", "decode-deployment")
FIRST = ("cluster", "target-cluster", "serving-namespace")
"""No objects of Kubernetes."""
EDGES: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("resources.yaml").read_text())["edges"]


@pytest.fixture(params=[each for each in EVERY if each.hostNetwork != each.rdma == each.monitoring], ids=str)
def recorder(request: pytest.FixtureRequest) -> Recorder:
    combination: Combination = request.param
    return recorded(combination)


def test_every_component_registers_exactly_its_declared_outputs(recorder: Recorder) -> None:
    declared = {
        f"llm-d-pd:index:{name}": each.outputs.keys() for name, each in analysed()["component_definitions"].items()
    }
    assert {each.type: recorder.outputs[each.urn].keys() for each in recorder.components} == {
        name: outputs for name, outputs in declared.items() if name in {each.type for each in recorder.components}
    }
    unused = declared.keys() - {each.type for each in recorder.components}
    assert unused <= {"llm-d-pd:index:Monitoring", "llm-d-pd:index:NetworkIsolation"}


def test_every_object_is_a_child_of_a_component_and_uses_our_provider(recorder: Recorder) -> None:
    components = {each.urn for each in recorder.components}
    [provider] = [each for each in recorder.declared.values() if each.type == "pulumi:providers:kubernetes"]
    for each in recorder.declared.values():
        if each.is_object:
            assert each.parent in components, each.name
            assert each.request.provider == f"{provider.urn}::{provider.name}-id", each.name


def test_everything_waits_for_the_namespace_and_little_for_anything_else(recorder: Recorder) -> None:
    names = {urn: each.name for urn, each in recorder.declared.items()}
    [namespace] = [urn for urn, name in names.items() if name == NAMESPACE]
    for urn, each in recorder.declared.items():
        if each.name in FIRST or urn == namespace:
            continue
        above = set(recorder.declared[each.parent].request.dependencies) if each.parent in recorder.declared else set()
        own = set(each.request.dependencies)
        assert namespace in own | above, f"{each.name} could be made before its namespace"
        assert {names[edge] for edge in own - {namespace}} == {*EDGES.get(each.name, [])} & {*names.values()}


def test_no_edge_at_all_where_the_namespace_exists_already() -> None:
    recorder = run_program({**AMD, "createNamespace": False})
    assert not any(key.startswith("Namespace/") for key in recorder.objects)
    edges = {each.name: len(each.request.dependencies) for each in recorder.declared.values()}
    assert {name for name, count in edges.items() if count} == set(EDGES)


@pytest.mark.parametrize("provider", ["istio", "standalone"])
def test_a_pod_that_reads_its_configuration_at_start_is_not_made_before_it(provider: str) -> None:
    recorder = run_program({**AMD, "gateway": {"provider": provider}})
    maps = [each for each in recorder.declared.values() if each.type == "kubernetes:core/v1:ConfigMap"]
    files = {each.inputs["metadata"]["name"]: each.urn for each in maps}
    reading = 0
    for each in recorder.declared.values():
        template = each.inputs.get("spec", {}).get("template", {})
        if "llm-d.ai/config-sha256" in template.get("metadata", {}).get("annotations", {}):
            [mounted] = [one["configMap"]["name"] for one in template["spec"]["volumes"] if "configMap" in one]
            assert files[mounted] in each.request.dependencies, each.name
            reading += 1
    assert reading == {"istio": 1, "standalone": 2}[provider]


_FORMERLY = {
    "model-gateway-parameters": ["model-gateway-envoy-config"],
    "model-gateway-envoy-config": ["model-gateway-parameters"],
}
"""The ConfigMap of istio and that of standalone have one name."""


def test_nothing_is_kept_ignored_or_waited_for_in_a_special_way(recorder: Recorder) -> None:
    for each in recorder.declared.values():
        request = each.request
        assert not any([request.protect, request.retainOnDelete]), each.name
        assert list(request.ignoreChanges) == (["clusterIdentifier"] if each.name == "cluster" else []), each.name
        renamed = [alias.spec.name for alias in request.aliases if not alias.spec.type]  # else the SDK's: API versions
        assert renamed == _FORMERLY.get(each.name, []), each.name
        assert ("waitFor" in str(each.inputs)) == (each.name == GATEWAY), each.name
        takes_long = bool(request.customTimeouts.create and request.customTimeouts.update)
        assert takes_long == (each.name in (*TIERS, GATEWAY)), each.name


def test_only_a_tier_of_another_shape_and_a_gateway_of_another_class_are_replaced(recorder: Recorder) -> None:
    """The controller of the former class would leave its proxies and its Service to the Gateway."""
    replacing = {**dict.fromkeys(TIERS, "metadata.annotations"), GATEWAY: "spec.gatewayClassName"}
    for each in recorder.declared.values():
        field = replacing.get(each.name)
        replaced = (each.request.deleteBeforeReplace, list(each.request.replaceOnChanges))
        assert replaced == ((True, [field]) if field else (False, [])), each.name
        if each.name in TIERS:
            assert each.inputs["metadata"]["annotations"].keys() == {"llm-d.ai/pod-shape"}


def test_the_gateway_is_not_waited_for_where_its_controller_comes_later() -> None:
    before, after = default(), run_program({**AMD, "gateway": {"await": False}})
    assert changed(before, after) == {GATEWAY}
    [gateway] = [each for each in after.declared.values() if each.name == GATEWAY]
    assert "annotations" not in gateway.inputs["metadata"]
    assert gateway.inputs["spec"] == before.objects["Gateway/infra-pd-inference-gateway"]["spec"]
    assert not gateway.request.customTimeouts.create


def test_the_policy_pack_finds_nothing(recorder: Recorder) -> None:
    assert violations(recorder) == []


def test_the_policy_pack_finds_what_settings_allow_and_it_does_not() -> None:
    tier = {"image": "ghcr.io/llm-d/llm-d-rocm:latest", "env": {"MY_TOKEN": "abc"}}
    found = violations(run_program({**AMD, "decode": tier}))
    assert [each.splitlines()[0] for each in found] == ["pinned-images", "no-secret-in-plain-sight"]


def test_the_model_is_the_first_argument_and_no_flag_comes_twice(recorder: Recorder) -> None:
    for role in ("prefill", "decode"):
        model, *flags = vllm(recorder, role)["args"]
        assert model in MODELS.values()
        names = [flag.partition("=")[0] for flag in flags]
        assert all(name.startswith("--") for name in names)
        assert len(set(names)) == len(names)


def test_a_run_is_the_same_every_time() -> None:
    assert requests(run_program(AMD)) == requests(default())


def test_the_provider_changes_config_maps_and_secrets_in_place_and_names_no_file() -> None:
    def settings(recorder: Recorder) -> dict[str, Any]:
        [provider] = [each for each in recorder.declared.values() if each.type == "pulumi:providers:kubernetes"]
        return provider.inputs

    always = {"enableConfigMapMutable": "true", "enableSecretMutable": "true", "kubeconfig": ""}
    always["clusterIdentifier"] = "llm-d-pd"
    assert settings(default()) == always
    named = run_program({**AMD, "cluster": {"context": "other", "identifier": "blue"}})
    assert settings(named) == {**always, "context": "other"}
    assert [text for text in named.messages if "serving.cluster.identifier has no effect" in text]
