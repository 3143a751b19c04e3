"""Names, addresses and ports of Services, without a cluster."""
