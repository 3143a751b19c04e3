"""The ways to an API server: logins and proxies of a kubeconfig. Tests against a real API server are in tests/sandbox."""
