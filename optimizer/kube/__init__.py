"""Kubernetes: its rules, its objects, and the API server of a live cluster."""
