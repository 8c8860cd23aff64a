"""Fewest BGP sessions that keep every router redundant: read, optimize, verify, export."""

__version__ = "0.1.0"
