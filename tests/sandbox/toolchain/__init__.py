"""Builds of the tools."""
