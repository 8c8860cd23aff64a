#!/bin/sh
# Run from this folder; the results go to ./out.
bgp-speakers optimize cluster.yaml --topology topology.yaml --policy policy.yaml -o out/placement.json
bgp-speakers export out/placement.json cluster.yaml -o out/patches
bgp-speakers verify out/placement.json cluster.yaml
