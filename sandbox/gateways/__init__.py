"""The gateway controllers of a sandbox: istio, which is the real one, and a status for the classes of those that are
not here.
"""
