"""The documentation against the project: commands, settings, paths, tables and how-tos."""
