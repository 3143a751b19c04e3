"""Stand-in for `pulumi-resource-kubernetes`: the official plugin's behaviour, as far as the program needs it.

Where the official plugin's behaviour was not measured, the stand-in refuses: tests/sandbox/engine has what it refuses.
"""
