"""The sandbox, and the product in it. `running` starts control planes; `cluster` is the one of the process.

`cluster`, `engine`, `gateways`, `modelserver`, `network`, `pods`, `talking` and `toolchain` test the folders of the
same name in `sandbox/`, and the tests beside this file test its commands. `faults`, `monitoring`, `preflight`,
`serving`, `stack` and `waiting` test the product with the real engine and API server.
"""
