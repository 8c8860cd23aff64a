#!/bin/sh
# Run from this folder; the results go to ./out.
bgp-speakers optimize cluster.yaml -o out/placement.json
bgp-speakers export out/placement.json cluster.yaml --style node-selector --format kubectl -o out/patches
