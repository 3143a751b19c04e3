"""Settings of the workers, and their effect on the pods."""

from tests.program.wire import AMD, containers, environment, made, vllm

ROLES = ("prefill", "decode")


def test_own_environment_is_added_and_sorted() -> None:
    recorder = made({**AMD, "prefill": {"env": {"ZZZ": 1, "AITER_JIT_DIR": "/.aiter", "FLAG": True}}})
    names = [each["name"] for each in vllm(recorder, "prefill")["env"]]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert environment(recorder, "prefill").items() >= {"ZZZ": "1", "AITER_JIT_DIR": "/.aiter", "FLAG": "true"}.items()


def test_extra_arguments_come_last_as_written() -> None:
    extra = ["--gpu-memory-utilization=0.9", "--enforce-eager"]
    args = vllm(made({**AMD, "prefill": {"extraArgs": extra}}), "prefill")["args"]
    assert args[-2:] == extra


def test_the_mirror_takes_the_registrys_place_in_release_images_only() -> None:
    serving = {**AMD, "images": {"mirror": "registry.example.com/ghcr"}, "decode": {"image": "ghcr.io/me/vllm:1"}}
    assert sorted(each["image"] for each in containers(made(serving))) == [
        "ghcr.io/me/vllm:1",
        "registry.example.com/ghcr/llm-d/llm-d-inference-scheduler:v0.7.1",
        "registry.example.com/ghcr/llm-d/llm-d-rocm:v0.6.0",
        "registry.example.com/ghcr/llm-d/llm-d-routing-sidecar:v0.7.1",
    ]
