"""Tests, one folder for each part of the project, and what several folders use.

A test asserts what a user can see. Expected values are typed by hand in `expected/`.
"""
