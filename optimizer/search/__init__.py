"""The search: the problem reduced, solved and explained."""
