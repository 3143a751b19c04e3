"""A GPU vendor is its profile: every value of an invented vendor reaches the workers, and none of a real vendor."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.accelerators import PROFILES, AcceleratorProfile, Image
from components.config.vocabulary import Accelerator, ReleaseName, Role
from components.plan import check, context, resolve
from components.plan.serving_plan import ServingPlan
from components.pods import pairing, vllm, volumes
from tests.stack_file import problems, settings

MADE_UP = AcceleratorProfile(
    title="Made up",
    source="this test",
    gpu_resource="example.com/gpu",
    images={ReleaseName.V0_9: Image("example.com/vllm:1", user=4711, home="/home/made-up", note="it is made up")},
    memory="123Gi",
    transports=("mu", "mu_copy"),
    kv_buffer_devices=("host", "mu"),
    visible_devices=("MU_VISIBLE",),
    mixed_tp_attention="MU_ATTN",
    pair_variables=("MU_LAYOUT",),
    env={"MU_MODE": "fast"},
    caches={"MU_CACHE": "mu"},
)
TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("made-up.yaml").read_text())
OF_A_REAL_ONE = re.compile(r"nvidia|cuda|amd|rocm|hip")


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up vendor in place of nvidia."""
    table = {**PROFILES, Accelerator.NVIDIA: MADE_UP}
    monkeypatch.setattr(context, "PROFILES", table)


def plan(**changes: Any) -> ServingPlan:
    return resolve(settings(**{"accelerator": "nvidia", "model__name": "m", **changes}))


@pytest.mark.usefixtures("made_up")
class TestMadeUp:
    def test_a_whole_plan_is_of_its_profile(self) -> None:
        serving = plan(model__claim="cache", createNamespace=False, infrastructure="rdma-shared")
        for worker, gpus in ((serving.prefill.worker, "1"), (serving.decode.worker, "4")):
            assert worker.image.name == "example.com/vllm:1"
            assert (worker.user, worker.run_as_user, worker.fs_group) == (4711, None, 4711)
            assert worker.resources["example.com/gpu"] == gpus
            assert worker.resources["memory"] == "123Gi"
            assert worker.attention_backend == "MU_ATTN"
            assert worker.kv_transfer["kv_buffer_device"] == "host"
            variables = {each["name"]: each.get("value") for each in vllm.environment(worker)}
            assert (variables["MU_MODE"], variables["MU_CACHE"]) == ("fast", "/.cache/mu")
            assert "/.cache" in {mount["mountPath"] for mount in volumes.mounts(worker)}
        assert "it is made up" in serving.notes
        assert any("the images of nvidia run as user 4711" in note for note in serving.notes)

    def test_nothing_of_a_real_vendor_is_in_it(self) -> None:
        worker = plan(infrastructure="rdma-shared").decode.worker
        labels = {key: value for key, value in worker.labels.items() if key != "llm-d.ai/accelerator-vendor"}
        written = worker.model_copy(update={"labels": labels}).model_dump_json()
        rendered = json.dumps([*vllm.arguments(worker), *(each["name"] for each in vllm.environment(worker))])
        assert not OF_A_REAL_ONE.findall((written + rendered).lower())

    def test_a_buffer_is_chosen_for_the_connector_that_has_one(self) -> None:
        assert "kv_buffer_device" not in plan(kvTransfer__connector="Other").decode.worker.kv_transfer
        own = plan(kvTransfer__extra={"kv_buffer_device": "mu"}).decode.worker
        assert own.kv_transfer["kv_buffer_device"] == "mu"

    def test_a_toleration_is_of_its_resource(self) -> None:
        tolerations = plan(infrastructure="digitalocean").decode.worker.placement.tolerations
        assert [each.key for each in tolerations] == ["example.com/gpu"]

    @pytest.mark.parametrize(("change", "path", "wrong"), TYPED["refused"], ids=str)
    def test_what_contradicts_it_is_refused(self, change: dict[str, Any], path: str, wrong: str) -> None:
        found = problems(accelerator="nvidia", **change)
        assert list(found) == [path]
        assert wrong in found[path].wrong

    @pytest.mark.parametrize("change", TYPED["accepted"], ids=str)
    def test_what_is_not_known_is_not_refused(self, change: dict[str, Any]) -> None:
        assert check(settings(accelerator="nvidia", **change), token_given=True) == []


def test_an_infrastructures_image_stands_for_one_that_the_vendor_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    older = replace(MADE_UP, images={ReleaseName.V0_4: MADE_UP.images[ReleaseName.V0_9]})
    monkeypatch.setattr(context, "PROFILES", {**PROFILES, Accelerator.NVIDIA: older})
    assert problems(accelerator="nvidia", infrastructure="aws-efa") == {}
    worker = plan(infrastructure="aws-efa").decode.worker
    image = "public.ecr.aws/deep-learning-containers/vllm:0.26.0-gpu-py312-cu130-ubuntu22.04-ec2"
    assert (worker.image.name, worker.user) == (image, 0)  # root, for IPC_LOCK


def test_every_word_has_a_profile_of_its_own() -> None:
    assert PROFILES.keys() == set(Accelerator)
    assert len({each.gpu_resource for each in PROFILES.values()}) == len(Accelerator)


def test_a_variable_that_both_tiers_must_have_alike_is_any_vendors() -> None:
    own = plan(accelerator="amd", prefill__env={"VLLM_ROCM_USE_AITER": "1"})
    inputs = {}
    for worker in (own.prefill.worker, own.decode.worker):
        container = {"name": "vllm", "image": worker.image.name, "args": vllm.arguments(worker)}
        deployment = {"spec": {"template": {"spec": {"containers": [container]}}}}
        inputs[f"Deployment/llm-d-pd/{worker.name}"] = deployment
    assert [(each.role, each.field) for each in pairing.changes(own, inputs)] == [(Role.PREFILL, "VLLM_ROCM_USE_AITER")]


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_the_buffers_of_shipped_vendors_are_vllms(device: str) -> None:
    for vendor in ("amd", "nvidia"):
        assert "kv_buffer_device" not in plan(accelerator=vendor).decode.worker.kv_transfer
        assert problems(accelerator=vendor, kvTransfer__extra={"kv_buffer_device": device}) == {}
        found = problems(accelerator=vendor, kvTransfer__extra={"kv_buffer_device": "hip"})
        assert "use cuda or cpu" in found["serving.kvTransfer.extra.kv_buffer_device"].change
