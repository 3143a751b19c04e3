"""The gateway controller: reads Gateways, routes and pools, runs Envoy for them, and writes their status.

store ─▶ model (references, traffic) ─▶ envoy ─▶ xds ─▶ Envoy pods ◀─ relay ◀─ the host's ports
                    │                                      ▲
                    ├─▶ status ─▶ API server               │
                    └─▶ deployment ─▶ API server ─▶ pod runner

Beside it, for pods: the cluster's DNS (dns) and what kube-proxy and a cloud's load balancer do (services).
"""
