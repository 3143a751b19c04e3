"""The policy pack: its rules, and the pack under the real CLI."""
