"""A plan carried out on a live cluster, and taken back."""
