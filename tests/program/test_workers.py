"""The order of variables and arguments of the workers. `tests/cases/workers.yaml` has their settings."""

from tests.program.wire import AMD, made, vllm


def test_variables_are_sorted_and_extra_arguments_come_last_as_written() -> None:
    extra = ["--gpu-memory-utilization=0.9", "--enforce-eager"]
    prefill = {"env": {"ZZZ": 1, "AITER_JIT_DIR": "/.aiter"}, "extraArgs": extra}
    container = vllm(made({**AMD, "prefill": prefill}), "prefill")
    names = [each["name"] for each in container["env"]]
    assert names == sorted({*names})
    assert container["args"][-2:] == extra
