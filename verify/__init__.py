"""Does the deployed stack serve, and does it disaggregate? Asked of any cluster: the sandbox's or a real one."""
