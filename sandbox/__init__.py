"""Run the program with no cluster, no GPU and no container engine: real Pulumi engine, real API server."""
