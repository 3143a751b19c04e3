"""The access log of a sandbox's gateway, and a certificate for HTTPS listeners."""
