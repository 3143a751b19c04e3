"""Cross-checks: one module per subject, each `check(context) -> Iterator[Problem]`. Checks decide nothing else."""
