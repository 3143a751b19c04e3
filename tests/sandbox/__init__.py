"""The sandbox, and the product in it. `running` starts control planes; `cluster` is the one of the process.

`cluster`, `engine`, `modelserver`, `pods` and `toolchain` test the folders of the same name in `sandbox/`, and the
tests beside this file its commands and its network. They test only what no test of the product shows. `faults`,
`monitoring`, `preflight`, `serving` and `stack` test the product with the real engine and API server.
"""
