"""Independent checks, which share no code with the search."""
