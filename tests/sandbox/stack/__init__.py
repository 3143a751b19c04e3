"""The program's stacks through `pulumi up`, change and `destroy` (`deployment`)."""
