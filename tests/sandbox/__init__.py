"""The sandbox, and the product in it. `running` starts control planes; `cluster` is the one of the process.

The tests beside this file are of the sandbox's commands, engine, pods, network, model server and tools, those in
`cluster` of its control plane: only what no test of the product shows. `project` is a small project instead of the
program. `faults`, `monitoring`, `preflight`, `serving` and `stack` test the product with a real engine and API server.
"""
