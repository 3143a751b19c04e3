"""Stand-in for `pulumi-resource-kubernetes`: the official plugin's behaviour for the objects that the program makes.

Features that the program does not use are refused (`reporting`) or missing, such as generated names or `pulumi import`.
"""
