"""From one cluster to a verified placement."""
