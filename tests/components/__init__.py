"""Each component without the rest of the program, and the parsers that components share."""
