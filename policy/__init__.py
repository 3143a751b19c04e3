"""The policy pack: what may be deployed. Imports nothing of the program, the sandbox or `verify`."""
