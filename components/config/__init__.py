"""Floor 1: the stack's settings, typed and strict, and how they are read."""

from components.config.problem import Problem, refuse
from components.config.reading import Draft, read
from components.config.settings import Serving

__all__ = ["Draft", "Problem", "Serving", "read", "refuse"]
