"""Talking to a deployed stack: a request and the path that it takes, what happens meanwhile, and logs."""
