"""Faults in the middle of a Pulumi command, and the recovery of docs/recovering.md."""
