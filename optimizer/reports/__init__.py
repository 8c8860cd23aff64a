"""Answers and plans as text and JSON."""
