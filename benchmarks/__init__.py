"""How good, how fast and how large, against what people would use instead, on the same instance and in one run."""
