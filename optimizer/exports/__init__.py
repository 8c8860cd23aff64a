"""A plan as files: kubectl, Kustomize, Helm."""
