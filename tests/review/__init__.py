"""Previews as Markdown, and the comment on a pull request."""
