"""Gateway controllers of a sandbox: the real istio, and a status for classes without a controller."""
