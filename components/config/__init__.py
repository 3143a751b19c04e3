"""Layer 1: the settings of a stack, typed and strict, and how they are read. Nothing here knows other layers."""

from components.config.problem import Problem, refuse
from components.config.reading import Draft, read
from components.config.settings import Serving

__all__ = ["Draft", "Problem", "Serving", "read", "refuse"]
