"""The stand-ins for official Pulumi executables, with small projects (`harness`) instead of the program."""
