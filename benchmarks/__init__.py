"""How long a proof takes, against one plain CP-SAT model in the same run."""
