"""The one error that people see."""


class SandboxError(Exception):
    """What is wrong, where, and what to change, written for the person at the terminal."""
