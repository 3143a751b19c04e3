"""The cluster's network: names and addresses of Services, istio, and ports of this machine.

It replaces CoreDNS, kube-proxy and a cloud's load balancer (`services`), and `kubectl port-forward` to the gateways
(`gateways`).
"""
