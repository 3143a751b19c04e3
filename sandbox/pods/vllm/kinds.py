"""Kinds of values of vLLM's flags."""

from enum import Enum


class Kind(Enum):
    """The value of a flag."""

    FLAG = "none; there is no --no- form"
    SWITCH = "none; --no-… is the opposite"
    INTEGER = "a whole number"
    INTEGERS = "whole numbers"
    SIZE = "a whole number, such as 32k (1000) or 32K (1024)"
    NUMBER = "a number"
    JSON = "JSON"
    TEXT = "one word"
    TEXTS = "words"
    MAYBE = "one word or none"
