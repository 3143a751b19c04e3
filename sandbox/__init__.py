"""Runs the program without a cluster, GPU or container engine, on a real Pulumi engine and a real API server."""
