"""Real vLLM as a model server of the sandbox, without a start of vLLM, which is in `tests/vllm`."""
