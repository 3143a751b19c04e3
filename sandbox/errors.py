"""The error that users see."""


class SandboxError(Exception):
    """An error for the user: what is wrong, where, and what to change."""
