"""Findings of `verify` from typed logs, objects and metrics. Deployed stacks are in `sandbox/serving`."""
