"""Prefill/decode disaggregated LLM serving on Kubernetes, as typed Pulumi components.

Rooms and floors (a floor imports lower floors only; `tests/test_layout.py` holds it):
1 config; 2 accelerators, releases, names, args, manifests; 3 infrastructures, gateways; 4 plan; 5 pods, objects;
6 components; 7 exports.
"""
