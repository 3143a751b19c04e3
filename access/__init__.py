"""The one way to a cluster's API server: kubeconfig, login, proxies, requests.

Preflight, `verify` and the program use it. It does what Pulumi's Kubernetes plugin (client-go) does with the same
kubeconfig and environment, so that all of them reach the same cluster or none does. Answers are JSON as the server
sends it.
"""
