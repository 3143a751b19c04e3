"""Requests to a deployed stack: their legs, their answers, and findings of `verify`."""
