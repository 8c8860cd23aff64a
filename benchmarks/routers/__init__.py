"""What a router gains from fewer sessions: real FRR and BIRD daemons under load."""
