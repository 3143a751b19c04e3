"""Real vLLM and NIXL. All tests have the marker `vllm` and share one pair of workers."""
