"""Checks that a deployed stack serves and disaggregates, on the sandbox's cluster or a real one."""
