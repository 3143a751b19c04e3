"""EPP configurations and sidecar flags with the real EPP and sidecar of each release, without a cluster."""
