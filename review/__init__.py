"""A preview as a reviewer reads it: Pulumi's JSON in, Markdown for a pull request out. Standard library only.

Imports nothing of the program, the sandbox or `verify`: the workflows run it where nothing is installed.
"""
