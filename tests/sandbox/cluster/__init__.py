"""The control plane, its network and nodes. Nothing here uses Pulumi."""
