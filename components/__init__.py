"""Prefill/decode disaggregated LLM serving on Kubernetes, as typed Pulumi components.

Rooms and floors (a floor imports lower floors only; `tests/test_layout.py` holds it):
1 config; 2 accelerators, infrastructures, releases, names; 3 plan; 4 pods, objects; 5 gateways, components; 6 exports.
"""
