#!/bin/sh
# Run from this folder; the results go to ./out.
# Exit code 3: no placement keeps all the rules.
bgp-speakers optimize cluster.yaml || test $? -eq 3
bgp-speakers optimize cluster.yaml --best-effort -o out/placement.json
