"""Real vLLM and NIXL on the CPU in place of the simulator: environment, model, and substitutions."""
