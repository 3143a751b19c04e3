"""Benchmarks. They compare ratios within one run; tests assert no times."""
