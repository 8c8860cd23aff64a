"""The laboratory: a real Kubernetes control plane on loopback, KWOK as kubelets, and a stand-in for the speakers."""
