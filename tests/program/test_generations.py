"""A second generation beside the first: other objects, the same Gateway; what is refused, and what a preview says."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.config.reading import settings_of
from components.plan import resolve
from preflight import declared
from tests.program.expected import FOLDER
from tests.program.policies import violations
from tests.program.test_installs import _pods as pods
from tests.program.test_installs import _selectors as selectors
from tests.program.wire import AMD, Made, default, made, ran
from tests.recorder import Recorder, run_program

STAY: set[str] = {*yaml.safe_load(Path(__file__).with_name("resources.yaml").read_text())["stay"]}
LOCKED = {"security": {"level": "locked"}}
BLUE_GREEN = {"strategy": "blueGreen"}


def generation(word: str, **more: Any) -> dict[str, Any]:
    return {**AMD, "rollout": {"generation": word}, **more}


def test_a_generation_has_objects_and_resources_of_its_own_and_the_rest_of_the_stack_stays() -> None:
    one, other = ran({**AMD, **LOCKED}), ran(generation("b", **LOCKED))
    assert one.objects.keys() & other.objects.keys() == STAY
    shared = {urn for urn, each in one.declared.items() if each.is_object} & other.declared.keys()
    assert {one.declared[urn].key for urn in shared} == STAY
    assert {key for key in STAY if one.objects[key] != other.objects[key]} == {"HTTPRoute/llm-d-pd-disaggregation"}
    [rule] = other.objects["HTTPRoute/llm-d-pd-disaggregation"]["spec"]["rules"]
    assert [each["name"] for each in rule["backendRefs"]] == ["gaie-pd-b"]


@pytest.mark.parametrize("settings", [LOCKED, {"hostNetwork": True}, {"gateway": {"provider": "standalone"}}])
def test_no_selector_of_one_generation_matches_a_pod_of_the_other(settings: dict[str, Any]) -> None:
    """Names, labels and selectors of the first are those that commit c753344 deployed (`test_differences`)."""
    runs = [made({**AMD, **settings}), made(generation("b", **settings))]
    for mine, other in (runs, runs[::-1]):
        found = {**selectors(mine), **_further(mine)}
        for key, selector in found.items():
            assert not any(selector.items() <= labels.items() for labels in pods(other).values()), key
    deployed = json.loads((FOLDER / "deployed-c753344.json").read_text())["amd"]
    for key, each in deployed.items():
        given: Any = each.get("spec", {}).get("selector") or {}
        wanted = given.get("matchLabels", given)
        for labels in pods(runs[1]).values():
            assert not (wanted and wanted.items() <= labels.items()) or key.startswith("ServiceMonitor/")


def _further(recorder: Recorder | Made) -> dict[str, dict[str, str]]:
    """Selectors of policies and of anti-affinities."""
    found = {
        key: each["spec"]["podSelector"]["matchLabels"]
        for key, each in recorder.objects.items()
        if key.startswith("NetworkPolicy/")
    }
    for key, each in recorder.objects.items():
        if key.startswith("Deployment/"):
            apart = each["spec"]["template"]["spec"].get("affinity", {}).get("podAntiAffinity", {})
            for term in apart.get("requiredDuringSchedulingIgnoredDuringExecution", []):
                found[f"{key} apart"] = term["labelSelector"]["matchLabels"]
    return found


def test_policies_of_a_generation_admit_its_own_peers_only() -> None:
    text = json.dumps(
        {k: v["spec"] for k, v in made(generation("b", **LOCKED)).objects.items() if "NetworkPolicy/" in k}
    )
    assert '"llm-d.ai/instance": "pd-b"' in text
    assert '"llm-d.ai/instance": "pd"' not in text
    assert '"gaie-pd-epp"' not in text


def test_the_one_service_of_standalone_is_switched_after_the_new_workers_are_ready() -> None:
    one, other = (ran(generation(word, gateway={"provider": "standalone"})) for word in ("", "b"))
    service = "Service/infra-pd-inference-gateway"
    assert one.objects[service]["metadata"] == other.objects[service]["metadata"]
    waits = _named(other, "model-gateway-envoy-b").request.dependencies
    assert {urn.rpartition("::")[2] for urn in waits} >= {"decode-b-deployment", "prefill-b-deployment"}


def state_of(*runs: Recorder, ordered: bool = True, outputs: dict[str, Any] | None = None) -> Recorder:
    """A stack with the objects of these runs in its state; of two with one name, the last. `outputs`: the stack's."""
    kept: dict[str, Any] = {
        each.urn: {
            "type": each.type,
            "outputs": {"metadata": {**each.inputs["metadata"], "uid": "1"}, "__inputs": each.inputs},
        }
        for run in runs
        for each in run.declared.values()
        if each.is_object
    }
    target = {"uid": "", **({"ordered": True} if ordered else {})}
    stack = {"type": "pulumi:pulumi:Stack", "outputs": outputs}
    return Recorder({**kept, "stack": stack, "target": {"type": "llm-d-pd:index:TargetCluster", "outputs": target}})


def _workers(run: Recorder) -> Recorder:
    """The run without the objects that are the stack's: what an unfinished generation leaves."""
    left = Recorder()
    left.declared = {urn: each for urn, each in run.declared.items() if each.is_object and each.key not in STAY}
    return left


def _refused(recorder: Recorder, serving: dict[str, Any]) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        run_program(serving, recorder=recorder)
    assert not recorder.declared
    return str(caught.value)


def test_a_second_generation_says_its_cost() -> None:
    recorder = run_program(generation("b", model={"name": "amd/other"}), recorder=state_of(default()))
    [said] = [message for message in recorder.messages if "cost of this change" in message]
    assert said.splitlines() == [
        "warning: cost of this change:",
        "generation b is made beside the unnamed generation: 8 more GPUs until the old workers are deleted",
        "requests are served meanwhile, by the old generation until the new one is Ready",
        "no KV block is transferred between the generations",
        "`pulumi up` takes at most 67 minutes: 40 for the new workers, 27 for the streams of the old ones. Logins and "
        "time limits of a CI job must last as long",
    ]
    renamed = "requests for the model amd/Llama-3.3-70B-Instruct-FP8-KV get 404 after this change"
    assert any(renamed in message for message in recorder.messages)
    same = {"name": "amd/other", "servedName": "amd/Llama-3.3-70B-Instruct-FP8-KV"}
    kept = run_program(generation("b", model=same), recorder=state_of(default()))
    assert not any("get 404" in message for message in kept.messages)


def test_a_stack_without_the_recorded_order_records_it_first() -> None:
    text = _refused(state_of(default(), ordered=False), generation("b"))
    assert "serving.rollout.generation" in text
    assert "`pulumi up` once with ''" in text
    recorder = run_program(AMD, recorder=state_of(default(), ordered=False))
    [target] = [outputs for urn, outputs in recorder.outputs.items() if "TargetCluster" in urn]
    assert target["ordered"] is True


def test_a_third_generation_is_refused_with_both_ways_out() -> None:
    before = (default(), _workers(ran(generation("b"))))
    text = _refused(state_of(*before), generation("c"))
    assert "is a third generation: the unnamed generation serves, and generation b is unfinished" in text
    assert "set it to b" in text
    assert "the previous commit" in text
    for word in ("", "b"):
        assert run_program(generation(word), recorder=state_of(*before)).objects


def test_the_route_says_which_generation_serves_and_not_the_settings() -> None:
    """After a failed trial of b the route still leads to the first one, so b may be changed without an outage."""
    state = state_of(default(), _workers(ran(generation("b"))))
    again = {**generation("b"), "rollout": {"generation": "b", **BLUE_GREEN}, "decode": {"env": {"A": "b"}}}
    assert run_program(again, recorder=state).stack_outputs["generation"] == "b"
    switched = state_of(default(), ran(generation("b")))
    assert "restarts its decode workers" in _refused(switched, again)


@pytest.mark.parametrize(
    "change", [{"decode": {"env": {"A": "b"}}}, {"prefill": {"labels": {"a": "b"}}}, {"release": "0.4"}]
)
def test_blue_green_refuses_a_change_that_restarts_serving_workers(change: dict[str, Any]) -> None:
    text = _refused(state_of(default()), {**AMD, "rollout": BLUE_GREEN, **change})
    assert "serving.rollout.strategy: blueGreen" in text
    assert "`pulumi config set --path serving.rollout.generation b`" in text


def test_blue_green_refuses_nothing_else_and_changes_no_object() -> None:
    quiet = {**AMD, "rollout": BLUE_GREEN}
    assert run_program(quiet, recorder=state_of(default())).objects == default().objects
    assert run_program({**quiet, "decode": {"replicas": 2}}, recorder=state_of(default())).objects
    assert run_program(
        {**quiet, "rollout": {"generation": "b", **BLUE_GREEN}, "release": "0.4"}, recorder=state_of(default())
    )


def _named(recorder: Recorder, name: str) -> Any:
    [found] = [each for each in recorder.declared.values() if each.name == name]
    return found


def test_the_old_generation_goes_after_every_answer_came_from_the_new_one() -> None:
    recorder = ran(generation("b", decode={"labels": {"queue": "q"}}))
    job = _named(recorder, "model-gateway-settle-b")
    assert {"model-gateway-route"} <= {urn.rpartition("::")[2] for urn in job.request.dependencies}
    for key, selector in selectors(recorder).items():
        assert not selector.items() <= job.inputs["spec"]["template"]["metadata"]["labels"].items(), key


def test_the_way_back_to_the_unnamed_generation_has_a_second_route_while_it_is_needed() -> None:
    extra = {"HTTPRoute/llm-d-pd-trial", "Job/llm-d-pd-settle"}
    assert not extra & default().objects.keys()
    back = run_program(AMD, recorder=state_of(ran(generation("b"))))
    assert extra <= back.objects.keys()
    assert "x-llm-d-generation" not in json.dumps(back.objects["HTTPRoute/llm-d-pd-disaggregation"])
    assert run_program(AMD, recorder=state_of(back)).objects == back.objects, "the next run changes nothing"
    assert run_program(AMD, recorder=state_of(default())).objects == default().objects


def test_the_route_waits_for_the_trial_and_the_trial_for_the_workers() -> None:
    recorder = ran({**AMD, "rollout": {"generation": "b", "trial": {}}})

    def waits(name: str) -> set[str]:
        return {urn.rpartition("::")[2] for urn in _named(recorder, name).request.dependencies}

    assert "model-gateway-trial-b" in waits("model-gateway-route")
    assert {"prefill-b-deployment", "decode-b-deployment"} <= waits("model-gateway-trial-b")
    assert "model-gateway-trial-route-b" in waits("decode-b-deployment")


def test_the_policies_pass_and_preflight_knows_every_object() -> None:
    serving = {**AMD, "rollout": {"generation": "b", "trial": {}}, "rdma": None}
    recorder = ran(serving)
    assert violations(recorder) == []
    known = {each.short for each in declared.objects(resolve(settings_of(serving)[0], None))}
    assert recorder.objects.keys() - known == {"Secret/llm-d-hf-token"}  # made with a token only
