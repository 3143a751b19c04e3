"""Rollouts that hang, on the real engine: what Pulumi's screen says, and what ends the wait."""
