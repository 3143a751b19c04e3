"""The cluster's network: names and addresses of Services, and ports of this machine.

It replaces CoreDNS (dns), kube-proxy and a cloud's load balancer (services), and `kubectl port-forward` to the gateways
(host_ports). `sandbox/gateways` installs the controllers of Gateways.
"""
