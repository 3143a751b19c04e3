"""/metrics as vLLM and its simulator write it."""

from verify.metrics import Sample, parse, worker

VLLM = r"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="meta-llama/Llama-3.1-8B"} 2.0
vllm:num_requests_running{engine="1",model_name="meta-llama/Llama-3.1-8B"} 1.0
vllm:num_requests_waiting{engine="0",model_name="meta-llama/Llama-3.1-8B"} 7.0
vllm:kv_cache_usage_perc{engine="0",model_name="meta-llama/Llama-3.1-8B"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="meta-llama/Llama-3.1-8B"} 0.5
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="meta-llama/Llama-3.1-8B"} 1.234567e+06
vllm:prompt_tokens_created{engine="0",model_name="meta-llama/Llama-3.1-8B"} 1.7637e+09
vllm:request_success_total{engine="0",finished_reason="stop",model_name="meta-llama/Llama-3.1-8B"} 3.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="meta-llama/Llama-3.1-8B"} 40.0
vllm:request_success_total{engine="1",finished_reason="length",model_name="meta-llama/Llama-3.1-8B"} 5.0
vllm:request_success_created{engine="0",finished_reason="length",model_name="meta-llama/Llama-3.1-8B"} 1.7637e+09
vllm:nixl_xfer_time_seconds_bucket{engine="0",le="0.005",model_name="meta-llama/Llama-3.1-8B"} 4.0
vllm:nixl_xfer_time_seconds_bucket{engine="0",le="+Inf",model_name="meta-llama/Llama-3.1-8B"} 4.0
vllm:nixl_xfer_time_seconds_count{engine="0",model_name="meta-llama/Llama-3.1-8B"} 4.0
vllm:nixl_xfer_time_seconds_sum{engine="0",model_name="meta-llama/Llama-3.1-8B"} 0.016
vllm:nixl_bytes_transferred_count{engine="0",model_name="meta-llama/Llama-3.1-8B"} 4.0
vllm:nixl_bytes_transferred_sum{engine="0",model_name="meta-llama/Llama-3.1-8B"} 8.0e+08
vllm:nixl_num_failed_transfers_total{engine="0",model_name="meta-llama/Llama-3.1-8B"} 1.0
vllm:nixl_num_kv_expired_reqs_total{engine="0",model_name="meta-llama/Llama-3.1-8B"} 2.0
"""

SIMULATOR = """vllm:num_requests_running{model_name="amd/Llama"} 0
vllm:request_success_total{finish_reason="remote_decode",model_name="amd/Llama"} 12
vllm:request_success_total{finish_reason="stop",model_name="amd/Llama"} 1
vllm:kv_cache_usage_perc{model_name="amd/Llama"} 0.125
"""


def test_metrics_of_a_vllm_worker_are_sums_over_its_engines() -> None:
    seen = worker(VLLM)

    assert (seen.finished, seen.running, seen.waiting, seen.prompt_tokens) == (48, 3, 7, 1234567)
    assert seen.cache_use == 0.5
    assert (seen.transfers, seen.transferred, seen.transfer_seconds) == (4, 8e8, 0.016)
    assert seen.failures == 1, "blocks expire whenever decode refuses a request; nothing failed then"


def test_a_simulator_has_its_own_label_for_prefill_legs_and_no_nixl() -> None:
    seen = worker(SIMULATOR)

    assert (seen.finished, seen.running, seen.cache_use) == (13, 0, 0.125)
    assert seen.transfers is None
    assert seen.failures is None


def test_a_worker_without_any_request_yet_has_finished_none() -> None:
    assert worker("").finished == 0


def test_labels_with_escaped_characters_are_parsed() -> None:
    text = 'a{x="q\\"}\\\\ {y=\\n",z=""} +Inf 1763700000000\nb 3\nthis is no sample\nc{} NaN-ish\n'

    assert list(parse(text)) == [Sample("a", {"x": 'q"}\\ {y=\n', "z": ""}, float("inf")), Sample("b", {}, 3)]
