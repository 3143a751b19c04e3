"""Prefill/decode disaggregated LLM serving on Kubernetes, as typed Pulumi components.

A module imports modules of lower layers only (`tests/test_layout.py`):
1 config, quantity, args, stack_state; 2 accelerators, releases, names, manifests; 3 infrastructures, gateways; 4 plan;
5 pods, objects; 6 components; 7 exports.
"""
