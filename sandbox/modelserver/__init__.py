"""Real vLLM with real NIXL on the CPU, in the place of the simulator."""
