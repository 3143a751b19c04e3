"""The ways to the API server of the sandbox, through real proxies."""
