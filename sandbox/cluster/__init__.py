"""A real control plane on a bare machine: `lifecycle` starts, enters and stops it, `nodes` and `crds` fill it.

This folder contains nothing about pods, stacks or Pulumi.
"""
