#!/bin/sh
# Run from this folder; the results go to ./out.
bgp-speakers optimize cluster.yaml --mode layer2 --survive zone -o out/placement.json
bgp-speakers export out/placement.json cluster.yaml -o out/patches
bgp-speakers optimize cluster.yaml --mode vip --survive zone --speakers-per-router 3
# Nodes under different leaf routers are in different networks: refused, exit code 3.
bgp-speakers optimize racks.yaml --mode layer2 || test $? -eq 3
