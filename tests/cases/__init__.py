"""What settings make of a stack, and the preflight of a typed cluster, as typed cases: a heading, and its cases."""
