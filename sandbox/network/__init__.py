"""What a cluster's network gives to pods and to people: names and addresses of Services, and ports of this machine.

Stands for CoreDNS (dns), kube-proxy and a cloud's load balancer (services), and for `kubectl port-forward` to the
gateways (host_ports). Gateways themselves are not here: `sandbox/gateways` installs the controllers that serve them.
"""
