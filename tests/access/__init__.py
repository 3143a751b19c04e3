"""The ways to an API server: logins and proxies of a kubeconfig, without a server."""
