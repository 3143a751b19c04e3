"""The kubelet of the sandbox. Pods here are typed in the test (`harness`); stacks are in `stack`."""
