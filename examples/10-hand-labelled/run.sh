#!/bin/sh
# Run from this folder; the results go to ./out.
# The label is the DaemonSet's own so far: only its nodes may be chosen, which are too few. Exit code 3.
bgp-speakers optimize cluster.yaml || test $? -eq 3
# Named as the speaker label, it is managed from now on: every node may be chosen.
bgp-speakers optimize cluster.yaml --speaker-label example.com/bgp=yes -o out/placement.json
bgp-speakers export out/placement.json cluster.yaml -o out/patches
