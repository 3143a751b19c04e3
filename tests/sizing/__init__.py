"""Memory, rates and ratios against published values."""
