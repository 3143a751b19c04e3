"""A real control plane on a bare machine: `lifecycle` starts, enters and stops it, `nodes` and `crds` fill it.

Nothing here knows pods, stacks or Pulumi.
"""
