"""Settings by themselves: what is read, and what is refused with its path."""
