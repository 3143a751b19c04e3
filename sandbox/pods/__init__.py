"""The kubelet of all sandbox nodes: runs the containers of the pods that are bound to them, as processes."""
