"""The preflight with a cluster of typed facts. Real clusters with faults are in `sandbox/preflight`."""
