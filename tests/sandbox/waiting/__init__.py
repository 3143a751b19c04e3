"""Roll-outs that hang, in the sandbox with the real CLI."""
