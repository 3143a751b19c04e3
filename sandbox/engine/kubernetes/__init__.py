"""Stand-in for `pulumi-resource-kubernetes`: the official plugin's behaviour, as far as the program needs it.

The table of the official plugin's measured behaviour in the design is the specification; tests/sandbox/engine has a
test for each row. Where the table is silent, this is stricter than the official plugin.
"""
