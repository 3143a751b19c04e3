"""The kubelet of all sandbox nodes: runs the containers of their pods as processes. It knows pods, and no stack."""
