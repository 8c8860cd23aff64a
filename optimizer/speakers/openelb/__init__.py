"""OpenELB: BgpPeers, hazards, and how its speakers start."""
