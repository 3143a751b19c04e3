"""The preflight and `pulumi up` on real clusters with one fault each."""
