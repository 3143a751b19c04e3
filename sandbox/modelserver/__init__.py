"""The model server in pods: vLLM's command line, the simulator or real vLLM and NIXL on the CPU behind it.

What runs inside a container (`command_line`, `real`) needs the standard library only.
"""
