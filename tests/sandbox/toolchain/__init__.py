"""Builds and downloads of the tools."""
