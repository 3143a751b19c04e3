"""Turns Pulumi's JSON previews into Markdown for pull requests. Standard library only.

It imports nothing of the program, the sandbox or `verify`, because workflows run it before anything is installed.
"""
