"""Sizing: does a model fit a GPU, how many tokens does its KV cache hold, and how many workers does a load take.

Pure functions on plain data; no other part of this project is imported, except by the command (`__main__`).
Bytes are bytes, GiB are 2**30 bytes, rates are tokens per second, times are seconds.
"""
