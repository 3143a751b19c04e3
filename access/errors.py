"""Why an API server could not be asked."""


class NoAccess(Exception):
    """The API server cannot be asked; the text says why, and names no credential."""


class NoAnswer(NoAccess):
    """The API server was reached, and one request got no answer, in time or at all."""
