"""The model server in pods: vLLM's command line, the simulator or real vLLM and NIXL on the CPU behind it."""
