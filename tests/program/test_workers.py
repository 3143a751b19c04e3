"""Settings of the workers, and their effect on the pods."""

from tests.program.wire import AMD, environment, made, vllm

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
