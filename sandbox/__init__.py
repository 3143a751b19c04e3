"""Runs the program without a cluster, GPU or container engine, on a real Pulumi engine and a real API server.

Beside the folders are the commands, what all folders use (`errors`, `home`, `progress`), and the environments of Python
(`installing`, `locking`). A folder imports only folders below it: client and pods, modelserver, engine and network,
cluster, toolchain.
"""
