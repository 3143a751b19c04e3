"""Stand-in for `pulumi-resource-kubernetes`: the official plugin's behaviour for the objects that the program makes.

What the program does not use is refused (`reporting`) or left out: other settings, generated names, `pulumi import`.
"""
